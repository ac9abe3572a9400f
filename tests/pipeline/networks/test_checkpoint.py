from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file as save_tensors

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.parts import UNET
from pipeline.bases.registry import family
from pipeline.bases.save import save_file
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.bake import bake
from pipeline.networks.checkpoint import FullFineTune, base_weights, weighted
from pipeline.networks.families import create, family_of_file, load
from pipeline.networks.trained import by_lr_factor
from pipeline.schemas import BaseConfig, CheckpointConfig
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.examples import defaults
from tests.pipeline.networks.test_network import answer


def config(**changes: Any) -> CheckpointConfig:
    return CheckpointConfig.model_validate({**defaults("checkpoint"), **changes})


@pytest.fixture
def base() -> Base:
    made = random_base()
    for part in (made.denoiser, made.text_encoders[0], made.vae):
        part.requires_grad_(False)
    return made


def trained(base: Base, **changes: Any) -> FullFineTune:
    made = FullFineTune.create(config(text_encoder=True, **changes), base, seed=0)
    torch.manual_seed(2)
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape)
    return made


def written(path: Path, checkpoint: FullFineTune, precision: str = "fp32") -> Path:
    write_safetensors(path, checkpoint.file_tensors(precision), checkpoint.metadata())
    return path


def opened(path: Path) -> Base:
    return load_base(BaseConfig.plain(str(path)))


def test_hand_worked_strength() -> None:
    before, after = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 0.0])
    assert weighted(before, after, 0.5).tolist() == [2.0, 1.0]
    assert weighted(before, after, 1.5).tolist() == [4.0, -1.0]
    assert weighted(before, after, 1) is after


def test_all_of_the_unet_learns_and_of_the_text_encoder_by_choice(base: Base) -> None:
    names = {name for name, _ in FullFineTune.create(config(), base, 0).trained()}
    assert len(names) == len(list(base.denoiser.parameters())) == 684
    both = FullFineTune.create(config(text_encoder=True), base, 0)
    assert set(both.names) == base_weights(base).keys()
    assert len(both.part_parameters(UNET)) == 684
    assert len(both.part_parameters(family("sd1").part("text_encoder"))) == len(
        list(base.text_encoders[0].parameters())
    )
    assert "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight" in both.names


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"blocks": ["IN01", "M00"]}, 36 + 46),
        ({"include": [r"attn2\.to_[kv]"]}, 2 * 16),
        ({"include": ["attn2"], "exclude": ["to_out", "to_q"]}, 2 * 16),
        ({"block_rates": {f"OUT{number:02}": 0.0 for number in range(12)}}, 296),
        ({"unet": False, "text_encoder": True, "include": ["fc1"]}, 2 * 2),
    ],
)
def test_what_learns_is_chosen_by_block_and_by_name(base: Base, changes: dict[str, Any], count: int) -> None:
    assert len(FullFineTune.create(config(**changes), base, 0).names) == count


def test_blocks_have_their_own_rate(base: Base) -> None:
    groups = by_lr_factor(
        FullFineTune.create(config(block_rates={"M00": 0.5}), base, 0).part_parameters(UNET)
    )
    assert {rate: len(group) for rate, group in groups.items()} == {1.0: 638, 0.5: 46}


def test_no_weight_left_is_told(base: Base) -> None:
    with pytest.raises(UserError, match=r"include \['nothing'\].*leave no weight.*unet.conv_in.weight"):
        FullFineTune.create(config(include=["nothing"]), base, 0)


def test_it_starts_at_the_base_and_leaves_it_as_it_was(base: Base) -> None:
    before = {name: weight.clone() for name, weight in base_weights(base).items()}
    plain = answer(base)
    made = FullFineTune.create(config(text_encoder=True), base, 0)
    with made.attached(base):
        assert torch.equal(answer(base), plain)
        optimizer = torch.optim.AdamW(made.parameters(), lr=1e-3)
        base.denoiser(
            torch.ones(1, 4, 8, 8), torch.tensor([3]), torch.ones(1, 77, 16)
        ).sample.square().mean().backward()
        optimizer.step()
        assert not torch.equal(answer(base), plain)
    assert torch.equal(answer(base), plain)
    assert all(torch.equal(weight, before[name]) for name, weight in base_weights(base).items())
    assert all(weight.grad is None for weight in base_weights(base).values())


def test_its_file_is_a_base_that_answers_the_same(tmp_path: Path, base: Base) -> None:
    made = trained(base)
    with made.attached(base):
        ours = answer(base)
        path = written(tmp_path / "a.safetensors", made)
    assert written(tmp_path / "b.safetensors", made).read_bytes() == path.read_bytes()
    again = opened(path)
    assert torch.allclose(answer(again), ours, atol=1e-6)
    assert all(torch.equal(base_weights(again)[name], weight) for name, weight in made.trained())
    assert torch.equal(again.vae.decoder.conv_in.weight, base.vae.decoder.conv_in.weight)
    with safe_open(path, "pt") as file:
        assert file.metadata()["modelspec.architecture"] == "stable-diffusion-v1"


def test_a_file_is_recognised_acts_the_same_and_is_written_again_to_the_byte(
    tmp_path: Path, base: Base
) -> None:
    made = trained(base, blocks=["OUT03"])
    path = written(tmp_path / "a.safetensors", made)
    assert family_of_file(path) == "checkpoint"
    loaded = load(path, base)
    assert isinstance(loaded, FullFineTune)
    plain = answer(base)
    for strength in (1.0, 0.5, 0.0):
        made.set_weight(strength)
        with made.attached(base):
            ours = answer(base)
        with loaded.attached(base):
            loaded.set_weight(strength)
            assert torch.equal(answer(base), ours)
        assert torch.equal(ours, plain) == (strength == 0)
    assert written(tmp_path / "b.safetensors", loaded).read_bytes() == path.read_bytes()


def test_baked_it_is_the_trained_weights_or_a_part_of_the_way(base: Base) -> None:
    made = trained(base)
    before = base_weights(base)["unet.conv_in.weight"].clone()
    after = dict(made.trained())["unet.conv_in.weight"]
    bake(made, base, 0.5)
    assert torch.allclose(base_weights(base)["unet.conv_in.weight"], (before + after) / 2)
    changed = bake(made, base, 1)
    assert len(changed) == made.num_modules()
    assert all(torch.equal(base_weights(base)[name], weight) for name, weight in made.trained())


def test_weights_of_half_precision_learn_under_bf16(base: Base) -> None:
    made = create(config(weight_precision="bf16", text_encoder=True), base, 0)
    assert {weight.dtype for weight in made.parameters()} == {torch.bfloat16}
    ids = base.tokenizer(["a cat"], padding="max_length", return_tensors="pt").input_ids
    with made.attached(base), torch.autocast("cpu", torch.bfloat16):
        context = base.text_encoders[0](ids).last_hidden_state
        base.denoiser(torch.ones(1, 4, 8, 8), torch.tensor([3]), context).sample.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in made.parameters())


def test_checkpoints_of_other_bases_and_broken_ones_are_sentences(tmp_path: Path, base: Base) -> None:
    path = tmp_path / "x.safetensors"
    save_file(base, path, "fp16", {})
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    name = "model.diffusion_model.out.2.weight"
    save_tensors({**tensors, name: torch.zeros(1, 2, 3)}, path)
    with pytest.raises(UserError, match="does not fit this base"):
        load(path, base)
    tensors.pop(name)
    save_tensors(tensors, path)
    with pytest.raises(UserError, match=r"does not fit this base.*out\.2\.weight"):
        load(path, base)
