"""A single file that is trained and saved again loses no tensor, and keeps what did not learn."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.registry import family
from pipeline.bases.save import file_header, file_tensors, save_file, save_folder
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.config.recipes import parse
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.safetensors_header import metadata_of, read_header
from pipeline.merging.build import run_recipe
from pipeline.networks.checkpoint import FullFineTune
from pipeline.schemas import BaseConfig, CheckpointConfig
from tests.pipeline.bases.tiny import SMALL, random_parts, small_configs
from tests.pipeline.networks.examples import defaults

POSITIONS = torch.arange(77)[None]
TEXT = {
    "sd1": "cond_stage_model.transformer.text_model.",
    "sd2": "cond_stage_model.model.",
    "sdxl": "conditioner.embedders.1.model.",
}
PASSENGERS: dict[str, dict[str, Tensor]] = {
    "sd1": {
        f"{TEXT['sd1']}embeddings.position_ids": POSITIONS,
        "cond_stage_model.transformer.logit_scale": torch.tensor(4.6),
        "alphas_cumprod": torch.linspace(0.9991, 0.0047, 1000),
        "model_ema.decay": torch.tensor(0.9999),
    },
    "sd2": {
        f"{TEXT['sd2']}logit_scale": torch.tensor(4.6),
        f"{TEXT['sd2']}text_projection": torch.randn(16, 16),
        f"{TEXT['sd2']}attn_mask": torch.full((77, 77), float("-inf")).triu(1),
        f"{TEXT['sd2']}transformer.resblocks.23.attn.in_proj_weight": torch.randn(48, 16).half(),
    },
    "sdxl": {
        f"{TEXT['sdxl']}logit_scale": torch.tensor(4.6).half(),
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": POSITIONS,
        "somebodys.own.mark": torch.tensor([1, 2], dtype=torch.int16),
    },
    "sd3": {
        "text_encoders.clip_g.logit_scale": torch.tensor(4.6).half(),
        "somebodys.own.mark": torch.tensor([1, 2], dtype=torch.int16),
    },
}
LEARNING_UNET = "model.diffusion_model.middle_block.0.in_layers.2.weight"
LEARNING_TRANSFORMER = "model.diffusion_model.joint_blocks.1.x_block.mlp.fc1.weight"


def learning(name: str) -> str:
    """The tensor that learns."""
    return LEARNING_TRANSFORMER if name == "sd3" else LEARNING_UNET


def random_of(name: str) -> Base:
    made, configs = family(name), small_configs(name)
    return Base(made, make_tokenizer(None), random_parts(made, configs), configs)


def published(name: str, path: Path, extra: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """As publishers save: a U-Net of 16 bits, a VAE of 32, and what their tools left in the file."""
    base = random_of(name)
    tensors = {
        key: tensor.float() if key.startswith("first_stage_model.") else tensor
        for key, tensor in file_tensors(base, torch.float16).items()
    }
    whole = tensors | PASSENGERS[name] | (extra or {})
    write_safetensors(path, whole, file_header(base))
    return whole


def trained(path: Path, out: Path, precision: str = "fp16", **base: object) -> dict[str, Tensor]:
    """One tensor learns; saved as the training saves it."""
    include = ["mid_block.resnets.0", r"^transformer\.transformer_blocks\.1\.ff\.net\.0\.proj"]
    settings = CheckpointConfig.model_validate({**defaults("checkpoint"), "include": include})
    network = FullFineTune.create(settings, load_base(BaseConfig.plain(str(path), **base)), 0)
    for weight_name, weight in network.trained():
        if weight_name.endswith(("mid_block.resnets.0.conv1.weight", "ff.net.0.proj.weight")):
            weight.data += 1
    write_safetensors(out, network.file_tensors(precision), network.metadata())
    return load_file(out)


def is_same(ours: Tensor, theirs: Tensor) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and torch.equal(ours, theirs)


def differing(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> set[str]:
    return {key for key in ours.keys() | theirs.keys()
            if key not in ours or key not in theirs or not is_same(ours[key], theirs[key])}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_only_what_learned_differs_in_a_trained_checkpoint(name: str, tmp_path: Path) -> None:
    before = published(name, tmp_path / "a.safetensors")
    after = trained(tmp_path / "a.safetensors", tmp_path / "b.safetensors", "bf16")
    assert differing(before, after) == {learning(name)} | ({"model_ema.decay"} & before.keys())
    assert after[learning(name)].dtype == torch.bfloat16
    assert "model_ema.decay" not in after  # the mean of other weights


@pytest.mark.parametrize("name", SMALL)
def test_a_round_trip_through_training_and_merging_loses_nothing(name: str, tmp_path: Path) -> None:
    before = published(name, tmp_path / "a.safetensors")
    tuned = trained(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    inputs = {"a": str(tmp_path / "a.safetensors"), "b": str(tmp_path / "b.safetensors")}
    merge = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.5}
    recipe = {"inputs": inputs, "merge": merge, "dtype": "source", "drop": []}
    run_recipe(parse(recipe, "recipe"), tmp_path / "c.safetensors")
    merged = load_file(tmp_path / "c.safetensors")
    assert differing(before, merged) == {learning(name)}
    mean = (before[learning(name)].float() + tuned[learning(name)].float()) / 2
    assert torch.allclose(merged[learning(name)].float(), mean, atol=1e-3)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_no_weight_keeps_its_type_in_a_merge_of_16_bits(name: str, tmp_path: Path) -> None:
    before = published(name, tmp_path / "a.safetensors")
    recipe = {"inputs": {"a": str(tmp_path / "a.safetensors")}, "merge": "a", "dtype": "fp16"}
    run_recipe(parse(recipe, "recipe"), tmp_path / "b.safetensors")
    merged = load_file(tmp_path / "b.safetensors")
    others = {"alphas_cumprod", "somebodys.own.mark"} & before.keys()
    assert all(is_same(before[key], merged[key]) for key in others)
    assert merged["first_stage_model.decoder.conv_in.weight"].dtype == torch.float16


def test_a_base_in_half_precision_does_not_spoil_what_did_not_learn(tmp_path: Path) -> None:
    """With train.precision bf16 the frozen base is in bf16, which has fewer digits than fp16."""
    before = published("sd1", tmp_path / "a.safetensors")
    base = load_base(BaseConfig.plain(str(tmp_path / "a.safetensors")))
    for module in base.loaded().values():
        module.to(torch.bfloat16)
    assert differing(before, file_tensors(base, torch.float16)) == {"model_ema.decay"}


@pytest.mark.parametrize("name", SMALL)
def test_another_vae_is_saved_as_it_is_stored(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published(name, tmp_path / "a.safetensors")
    other = {
        key: tensor.float() + 1 for key, tensor in before.items() if key.startswith("first_stage_model.")
    }
    write_safetensors(tmp_path / "vae.safetensors", other, file_header(random_of(name)))
    vae = str(tmp_path / "vae.safetensors")
    monkeypatch.setattr(family(name), "configs", small_configs(name, with_t5=True))
    after = trained(tmp_path / "a.safetensors", tmp_path / "b.safetensors", vae=vae)
    assert all(is_same(after[key], tensor) for key, tensor in other.items())


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16])
def test_a_base_of_eight_bits_is_read_and_keeps_its_bytes(
    name: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    before = published(name, path)
    small = {
        key: tensor.to(dtype) if key.startswith("model.diff") else tensor for key, tensor in before.items()
    }
    write_safetensors(path, small, dict(metadata_of(path)))
    after = trained(path, tmp_path / "b.safetensors")
    own = {
        key: tensor for key, tensor in after.items() if key.startswith("model.diff") and key != learning(name)
    }
    assert all(torch.equal(small[key].view(torch.uint8), own[key].view(torch.uint8)) for key in own)
    assert after[learning(name)].dtype == torch.float16


@pytest.mark.parametrize("name", SMALL)
def test_a_folders_base_has_no_passengers(name: str, tmp_path: Path) -> None:
    base = random_of(name)
    save_folder(base, tmp_path / "folder", "fp32", {})
    save_file(load_base(BaseConfig.plain(str(tmp_path / "folder"))), tmp_path / "a.safetensors", "fp32", {})
    assert differing(file_tensors(base, torch.float32), load_file(tmp_path / "a.safetensors")) == set()
    assert read_header(tmp_path / "a.safetensors").tensors
