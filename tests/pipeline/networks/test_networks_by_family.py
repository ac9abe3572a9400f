"""Every kind of network that SD 1.x trains, on SD 2, SDXL and SD 3: it learns in every part, its file comes
back with the same effect, and its keys name every text encoder.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.bases.base import Base
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.bases.tokens import token_ids
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.checkpoint import FullFineTune
from pipeline.networks.embedding import Embedding
from pipeline.networks.families import family_of_file, load
from pipeline.networks.hypernetwork import Hypernetwork
from pipeline.networks.inspection import inspect
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.trained import Trainable
from pipeline.schemas import CheckpointConfig, EmbeddingConfig, HypernetworkConfig
from tests.pipeline.bases.tiny import random_parts, small_configs
from tests.pipeline.networks.answers import answers, change, difference
from tests.pipeline.networks.examples import defaults, network_config

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("lora", {}),
    "dora": ("lora", {"dora": True}),
    "locon": ("locon", {"conv_dim": 2, "conv_alpha": 1.0}),
    "loha": ("loha", {}),
    "lokr": ("lokr", {}),
    "ia3": ("ia3", {}),
    "dylora": ("dylora", {"unit": 1}),
}
PREFIXES = {
    "sd2": ("lora_unet_", "lora_te_"),
    "sdxl": ("lora_unet_", "lora_te1_", "lora_te2_"),
    "sd3": ("lora_transformer_", "lora_te1_", "lora_te2_"),
}


@pytest.fixture(params=PREFIXES)
def base(request: pytest.FixtureRequest) -> Base:
    """With 2 transformers where SDXL has 10: a quarter of the time."""
    configs, made = small_configs(request.param), family(request.param)
    if request.param == "sdxl":
        configs["unet"] |= {"transformer_layers_per_block": [1, 2, 2]}
    return Base(made, make_tokenizer(None), random_parts(made, configs), configs)


def loss(base: Base) -> torch.Tensor:
    conditioning = base.family.encode(base, token_ids(base.tokenizer, ["a cat"]), 1)
    noisy = torch.randn((1, base.latents.channels, 8, 8), generator=torch.Generator().manual_seed(0))
    sized = conditioning.sized(base.family.sizes(64, 64))
    return base.family.predict(base, noisy, torch.tensor([500]), sized).square().mean()


def written(network: Trainable, path: Path) -> Path:
    write_safetensors(path, network.file_tensors("fp32"), network.metadata())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_learns_and_the_file_acts_the_same(kind: str, base: Base, tmp_path: Path) -> None:
    name, changes = KINDS[kind]
    network = AdapterNetwork.create(network_config(name, **{"dim": 2, "alpha": 1.0, **changes}), base, seed=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():  # some matrices start at zero, where others have no gradient
        parameter.data = parameter.data + 0.3 * torch.randn(parameter.shape, generator=generator)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.before_step(0)
    with network.attached(base):
        loss(base).backward()
    optimizer.step()
    moved = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    for prefix in PREFIXES[base.family.facts.name]:
        assert any(key.startswith(prefix) for key in moved)
    network.eval()
    path, plain = written(network, tmp_path / "net.safetensors"), answers(base)
    with network.attached(base):
        here = answers(base)
    with load(path, base).attached(base):
        again = answers(base)
    assert change(here, plain) > 0.01
    assert difference(again, here) < 1e-5
    has_convolutions = kind == "locon" and base.family.further_blocks
    assert family_of_file(path) in (name, "locon" if has_convolutions else "lora")


def test_an_embedding_has_vectors_for_every_text_encoder(base: Base, tmp_path: Path) -> None:
    config = EmbeddingConfig.model_validate(
        {**defaults("embedding"), "words": ["zib"], "initial_text": "cat"}
    )
    embedding = Embedding.create(config, base, seed=0)
    path = written(embedding, tmp_path / "zib.safetensors")
    widths = [encoder.get_input_embeddings().embedding_dim for encoder in base.text_encoders]
    shapes = {key: tensor.shape[1] for key, tensor in load_file(path).items()}
    expected = {
        "sd2": {"emb_params": widths[0]},
        "sdxl": dict(zip(["clip_l", "clip_g"], widths, strict=False)),
        "sd3": dict(zip(["clip_l", "clip_g"], widths, strict=False)),
    }
    assert shapes == expected[base.family.facts.name]
    again = load(path, base)
    assert isinstance(again, Embedding)
    assert torch.equal(again.vectors[0], embedding.vectors[0])
    assert inspect(path).facts["family"] == "embedding"
    assert again.metadata()["modelspec.architecture"].removesuffix("/textual-inversion") in (
        base.family.facts.architectures
    )


def test_a_checkpoint_trains_by_the_familys_blocks(base: Base) -> None:
    if base.family.facts.name == "sd3":
        pytest.skip("the next test")
    last = base.family.facts.blocks[-1]
    config = CheckpointConfig.model_validate({**defaults("checkpoint"), "blocks": [last]})
    made = FullFineTune.create(config, base, seed=0)
    keys = {base.family.origin("unet", name.partition(".")[2], base.configs).key for name in made.names}
    number = int(last.removeprefix("OUT"))
    places = (f"model.diffusion_model.output_blocks.{number}.", "model.diffusion_model.out.")
    assert keys
    assert all(key.startswith(places) for key in keys)
    rates = dict.fromkeys(base.family.facts.blocks, 0.0) | {"M00": 0.5}
    whole = CheckpointConfig.model_validate({**defaults("checkpoint"), "block_rates": list(rates.values())})
    middle = FullFineTune.create(whole, base, seed=0)
    assert all(name.startswith("unet.mid_block.") for name in middle.names)


def test_a_checkpoint_of_a_transformer_trains_by_its_own_blocks() -> None:
    """A base of three joint blocks has five in all; its table of positions is no weight."""
    made, configs = family("sd3"), small_configs("sd3")
    base = Base(made, make_tokenizer(None), random_parts(made, configs), configs)
    config = CheckpointConfig.model_validate({**defaults("checkpoint"), "blocks": ["J01", "OUT00"]})
    names = FullFineTune.create(config, base, seed=0).names
    starts = ("transformer.transformer_blocks.1.", "transformer.norm_out.", "transformer.proj_out.")
    assert all(any(name.startswith(start) for name in names) for start in starts)
    assert all(name.startswith(starts) for name in names)
    rates = CheckpointConfig.model_validate({**defaults("checkpoint"), "block_rates": [0, 0, 0, 0.5, 0]})
    assert all(
        name.startswith("transformer.transformer_blocks.2.")
        for name in FullFineTune.create(rates, base, seed=0).names
    )
    whole = CheckpointConfig.model_validate(defaults("checkpoint"))
    assert "transformer.pos_embed.pos_embed" not in FullFineTune.create(whole, base, seed=0).names
    wrong = CheckpointConfig.model_validate({**defaults("checkpoint"), "block_rates": {"J17": 0.5}})
    with pytest.raises(UserError, match="there is no block J17; this base has IN00 to OUT00"):
        FullFineTune.create(wrong, base, seed=0)


def test_a_hypernetwork_acts_on_the_tokens_of_sd2(base: Base, tmp_path: Path) -> None:
    if not base.family.facts.has_hypernetworks:
        pytest.skip("refused: tests/pipeline/config/rules/test_base_family.py")
    config = HypernetworkConfig.model_validate(defaults("hypernetwork"))
    network = Hypernetwork.create(config, base, seed=0)
    for parameter in network.parameters():
        parameter.data = torch.full_like(parameter, 0.05)
    path, plain = written(network, tmp_path / "net.safetensors"), answers(base)["sample"]
    with load(path, base).attached(base):
        assert not torch.allclose(answers(base)["sample"], plain)
    assert network.metadata()["modelspec.architecture"].startswith("stable-diffusion-v2-")
