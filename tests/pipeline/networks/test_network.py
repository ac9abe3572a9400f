from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.base import Base
from pipeline.bases.layers import main_layers, text_layers
from pipeline.bases.registry import family
from pipeline.bases.save import save_folder
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.algorithms.lora import Lora
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.trained import by_lr_factor
from pipeline.schemas import AdapterNetworkConfig
from tests.pipeline.bases.random_sd1 import TEXT_ENCODER, UNET, random_base
from tests.pipeline.networks.examples import network_config


def config(name: str = "lora", **changes: Any) -> AdapterNetworkConfig:
    return network_config(name, **{"dim": 4, "alpha": 2.0, **changes})


@pytest.fixture
def base() -> Base:
    return random_base()


@pytest.fixture
def network(base: Base) -> AdapterNetwork:
    made = AdapterNetwork.create(config(), base, seed=0)
    torch.manual_seed(2)
    for _, adapter in made.adapters():
        assert isinstance(adapter, Lora)
        torch.nn.init.normal_(adapter.lora_up.weight, std=0.3)
    return made


def answer(base: Base) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    ids = base.tokenizer(["a cat"], padding="max_length", return_tensors="pt").input_ids
    x = torch.randn((1, 4, 8, 8), generator=generator)
    with torch.no_grad():
        sample: Tensor = base.denoiser(
            x, torch.tensor([500]), base.text_encoders[0](ids).last_hidden_state
        ).sample
    return sample


def test_sd15_has_192_unet_and_72_text_encoder_modules_with_sd_scripts_names() -> None:
    configs = family("sd1").configs
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(configs["unet"])
        text_encoder = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"]))
    base = Base(family("sd1"), make_tokenizer(None), {"unet": unet, "text_encoder": text_encoder}, configs)
    in_unet, in_text = main_layers(base), text_layers(base)
    assert (len(in_unet), len(in_text)) == (192, 72)
    assert "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q" in in_unet
    assert "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj" in in_unet
    assert "lora_te_text_model_encoder_layers_11_mlp_fc2" in in_text


def test_attached_it_acts_with_its_strength_and_detached_not_at_all(
    base: Base, network: AdapterNetwork
) -> None:
    plain = answer(base)
    with network.attached(base):
        full = answer(base)
        network.set_weight(0.0)
        assert torch.equal(answer(base), plain)
    assert torch.equal(answer(base), plain)
    assert (full - plain).abs().max() > 0.01


def test_the_seed_alone_decides_the_start(base: Base) -> None:
    torch.manual_seed(5)
    one = AdapterNetwork.create(config(), base, seed=1).file_tensors("fp32")
    torch.manual_seed(6)
    two = AdapterNetwork.create(config(), base, seed=1).file_tensors("fp32")
    other = AdapterNetwork.create(config(), base, seed=2).file_tensors("fp32")
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_a_part_can_be_left_out(base: Base) -> None:
    names = AdapterNetwork.create(config(text_encoder=False), base, seed=0).keys()
    assert all(name.startswith("lora_unet_") for name in names)


def test_saved_and_loaded_it_is_equal_to_the_byte(
    tmp_path: Path, base: Base, network: AdapterNetwork
) -> None:
    write_safetensors(tmp_path / "a.safetensors", network.file_tensors("fp32"), {})
    loaded = AdapterNetwork.load(tmp_path / "a.safetensors", base)
    write_safetensors(tmp_path / "b.safetensors", loaded.file_tensors("fp32"), {})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_diffusers_loads_the_file_with_the_same_effect(
    tmp_path: Path, base: Base, network: AdapterNetwork, strength: float
) -> None:
    write_safetensors(tmp_path / "net.safetensors", network.file_tensors("fp32"), {})
    network.set_weight(strength)
    with network.attached(base):
        ours = answer(base)
    save_folder(base, tmp_path / "base", "fp32", {})
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "base")
    pipe.load_lora_weights(tmp_path, weight_name="net.safetensors", adapter_name="net")
    pipe.set_adapters("net", strength)
    parts = {"text_encoder": pipe.text_encoder, "unet": pipe.unet}
    theirs = answer(Base(base.family, pipe.tokenizer, parts, base.configs))
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_files_of_other_bases_and_broken_ones_are_sentences(
    tmp_path: Path, base: Base, network: AdapterNetwork
) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"lora_unet_input_blocks_4_1_proj_in.lora_up.weight": torch.zeros(1, 1)}, path)
    with pytest.raises(UserError, match="not in this base"):
        AdapterNetwork.load(path, base)
    write_safetensors(
        path,
        {
            key: torch.cat([value, value]) if value.dim() else value
            for key, value in network.file_tensors("fp32").items()
        },
        {},
    )
    with pytest.raises(UserError, match="does not fit this base"):
        AdapterNetwork.load(path, base)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a readable"):
        AdapterNetwork.load(path, base)
    with pytest.raises(UserError, match="no such file"):
        AdapterNetwork.load(tmp_path / "none", base)


def test_keys_are_those_of_sd_scripts(tmp_path: Path, network: AdapterNetwork) -> None:
    write_safetensors(tmp_path / "a.safetensors", network.file_tensors("fp32"), {})
    leaves = {key.partition(".")[2] for key in load_file(tmp_path / "a.safetensors")}
    assert leaves == {"alpha", "lora_down.weight", "lora_up.weight"}


def initial(tmp_path: Path, network: AdapterNetwork) -> str:
    write_safetensors(tmp_path / "first.safetensors", network.file_tensors("fp16"), {})
    return str(tmp_path / "first.safetensors")


def test_training_goes_on_from_a_file(tmp_path: Path, base: Base, network: AdapterNetwork) -> None:
    path = initial(tmp_path, network)
    again = AdapterNetwork.create(config(initial=path), base, seed=5)
    wanted, found = network.file_tensors("fp16"), again.file_tensors("fp16")
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert all(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dim": 8}, r"lora_down.weight is \[4, .*\], here \[8, "),
        ({"alpha": 4.0}, "alpha is 2, here 4"),
        ({"text_encoder": False}, "is not trained here"),
    ],
)
def test_a_file_of_another_make_is_told(
    tmp_path: Path, base: Base, network: AdapterNetwork, changes: dict[str, Any], reason: str
) -> None:
    path = initial(tmp_path, network)
    with pytest.raises(UserError, match=reason):
        AdapterNetwork.create(config(initial=path, **changes), base, seed=5)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("lora", {}), ("locon", {"tucker": True}), ("loha", {}), ("lokr", {"dim": 1}), ("ia3", {})],
)
def test_max_norm_holds_every_change(base: Base, name: str, changes: dict[str, Any]) -> None:
    made = AdapterNetwork.create(config(name, max_norm=0.5, **changes), base, seed=0)
    torch.manual_seed(0)
    for parameter in made.parameters():
        parameter.data.normal_()
    before = {key: adapter.delta(adapter.layer.weight) for key, adapter in made.adapters()}
    made.after_step()
    for key, adapter in made.adapters():
        after = adapter.delta(adapter.layer.weight)
        norm = min(0.5, before[key].norm().item())
        assert torch.allclose(after, before[key] * norm / before[key].norm(), atol=1e-5)


def test_lora_plus_and_blocks_set_the_rates(base: Base) -> None:
    made = AdapterNetwork.create(config(lora_plus_ratio=16.0, block_rates={"IN01": 0.5}), base, seed=0)
    groups = by_lr_factor(made.part_parameters(UNET))
    first = made["lora_unet_down_blocks_0_attentions_0_proj_in"]
    assert isinstance(first, Lora)
    assert set(groups) == {16.0, 1.0, 8.0, 0.5}
    assert any(parameter is first.lora_up.weight for parameter in groups[8.0])
    assert any(parameter is first.lora_down.weight for parameter in groups[0.5])
    assert set(by_lr_factor(made.part_parameters(TEXT_ENCODER))) == {16.0, 1.0}


def test_the_draws_of_dropout_follow_from_the_steps_seed(base: Base, network: AdapterNetwork) -> None:
    made = AdapterNetwork.create(
        config(dropout=0.3, rank_dropout=0.3, module_dropout=0.3), base, seed=0
    ).train()
    made.load_state_dict(network.state_dict())
    found = []
    for seed in (1, 1, 2):
        made.before_step(seed)
        with made.attached(base):
            found.append(answer(base))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
