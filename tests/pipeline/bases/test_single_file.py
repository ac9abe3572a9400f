"""Single files as people have them: averaged weights alone, without a VAE, .ckpt, old names."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.registry import family
from pipeline.bases.save import save_file as save_base
from pipeline.bases.single_file import ema_name, older_name
from pipeline.config.recipes import parse
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.safetensors_header import metadata_of
from pipeline.merging.build import run_recipe
from pipeline.networks.families import load
from pipeline.networks.trained import Trainable
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.random_sd1 import random_base, small_configs
from tests.pipeline.networks.test_network import answer

UNET, TEXT, VAE = "model.diffusion_model.", "cond_stage_model.transformer.", "first_stage_model."


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Base]:
    """A whole checkpoint with its small configurations in the header."""
    base, path = random_base(), tmp_path_factory.mktemp("base") / "whole.safetensors"
    save_base(base, path, "fp32", {})
    return path, base


def opened(path: Path, vae: Path | None = None) -> Base:
    return load_base(BaseConfig.plain(str(path), vae=vae and str(vae)))


def changed(whole: Path, path: Path, tensors: dict[str, Tensor]) -> Path:
    write_safetensors(path, tensors, dict(metadata_of(whole)))
    return path


def without(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def test_d3_an_averaged_name_by_hand() -> None:
    assert ema_name(f"{UNET}input_blocks.0.0.weight") == "model_ema.diffusion_modelinput_blocks00weight"


def test_d3_a_base_of_averaged_weights_alone(
    whole: tuple[Path, Base], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, base = whole
    tensors = {
        ema_name(name) if name.startswith(UNET) else name: tensor for name, tensor in load_file(path).items()
    }
    averaged = changed(path, tmp_path / "ema.safetensors", tensors)
    assert torch.equal(answer(opened(averaged)), answer(base))
    assert "has only averaged (EMA) weights; these are used" in capsys.readouterr().err
    assert torch.equal(answer_with(load(averaged, base), base), answer(base))
    recipe = {"inputs": {"a": str(averaged), "b": str(path)}, "dtype": "fp32"}
    merge = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.5}
    run_recipe(parse({**recipe, "merge": merge}, "recipe"), tmp_path / "out.safetensors")
    assert torch.allclose(answer(opened(tmp_path / "out.safetensors")), answer(base), atol=1e-6)


def answer_with(network: Trainable, base: Base) -> Tensor:
    with network.attached(base):
        return answer(base)


def test_d3_a_base_without_a_vae(whole: tuple[Path, Base], tmp_path: Path) -> None:
    path, base = whole
    bare = changed(path, tmp_path / "bare.safetensors", without(load_file(path), VAE))
    with pytest.raises(UserError, match=r"has no VAE: set base\.vae to one"):
        _ = opened(bare).vae
    assert torch.equal(answer(opened(bare, folder_of_vae(base, tmp_path))), answer(base))


def folder_of_vae(base: Base, folder: Path) -> Path:
    base.vae.save_pretrained(folder / "vae")
    return folder / "vae"


@pytest.mark.parametrize("suffix", [".ckpt", ".pt"])
def test_d3_a_pickled_base_and_vae(
    suffix: str, whole: tuple[Path, Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such files carry no configurations: those of SD 1.x are taken, here the small ones."""
    monkeypatch.setattr(family("sd1"), "configs", small_configs())
    path, base = whole
    tensors = load_file(path)
    torch.save({"state_dict": tensors, "global_step": 7}, tmp_path / f"a{suffix}")
    assert torch.equal(answer(opened(tmp_path / f"a{suffix}")), answer(base))
    own = {name.removeprefix(VAE): tensor for name, tensor in tensors.items() if name.startswith(VAE)}
    torch.save({"state_dict": own}, tmp_path / f"b.vae{suffix}")
    vae = opened(path, tmp_path / f"b.vae{suffix}").vae
    assert all(torch.equal(vae.state_dict()[key], value) for key, value in base.vae.state_dict().items())


def test_d3_old_names_of_the_text_encoder(whole: tuple[Path, Base], tmp_path: Path) -> None:
    path, base = whole
    tensors = {
        older_name(name) if name.startswith(TEXT) else name: tensor
        for name, tensor in load_file(path).items()
    }
    assert f"{TEXT}embeddings.token_embedding.weight" in tensors
    assert torch.equal(answer(opened(changed(path, tmp_path / "old.safetensors", tensors))), answer(base))


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [(TEXT, "a U-Net without a text encoder"), (UNET, "has no U-Net: choose a whole checkpoint")],
)
def test_d3_a_missing_part_is_named(
    prefix: str, reason: str, whole: tuple[Path, Base], tmp_path: Path
) -> None:
    path = changed(whole[0], tmp_path / "part.safetensors", without(load_file(whole[0]), prefix))
    with pytest.raises(UserError, match=reason):
        _ = opened(path).denoiser


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("down_blocks.0.resnets.0.conv1.weight", "a U-Net in diffusers' layout"),
        ("input_blocks.0.0.weight", "a U-Net without its prefix"),
        ("decoder.conv_in.weight", "a VAE"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder"),
    ],
)
def test_d3_a_file_of_one_part_is_named(key: str, reason: str, tmp_path: Path) -> None:
    save_file({key: torch.ones(2)}, tmp_path / "part.safetensors")
    with pytest.raises(UserError, match=f"is {reason}"):
        opened(tmp_path / "part.safetensors")
