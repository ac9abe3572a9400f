"""A VAE of another family, as far as a file says."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.bases.registry import family
from pipeline.bases.stated import BASE_KEY
from tests.pipeline.bases.published import Shapes, hollow, part_shapes, whole_base
from tests.pipeline.bases.test_bad_bases import CONFIGS, folder, problems_of

VAE = "first_stage_model."


@pytest.fixture
def xl(tmp_path: Path) -> Path:
    return hollow(tmp_path / "xl.safetensors", whole_base("sdxl"))


def bare(shapes: Shapes) -> Shapes:
    return {name.removeprefix(VAE): shape for name, shape in shapes.items()}


def folder_of_vae(path: Path, **changes: Any) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({**CONFIGS["sdxl"]["vae"], **changes}))
    return path


def test_a_folder_states_its_scale(xl: Path, tmp_path: Path) -> None:
    assert problems_of(xl, vae=str(folder_of_vae(tmp_path / "a"))) == []
    other = folder_of_vae(tmp_path / "b", scaling_factor=0.18215)
    (problem,) = problems_of(xl, vae=str(other))
    assert problem == (
        f"base.vae {other} is for latents times 0.18215, and the base's are times 0.13025; choose a VAE of"
        " Stable Diffusion XL, or set base.vae to null"
    )


def test_a_whole_checkpoint_of_another_family_has_another_vae(xl: Path, tmp_path: Path) -> None:
    first = hollow(tmp_path / "sd1.safetensors", whole_base("sd1"))
    assert "is for latents times 0.18215" in problems_of(xl, vae=str(first))[0]
    assert "is for latents times 0.13025" in problems_of(first, vae=str(xl))[0]
    second = hollow(tmp_path / "sd2.safetensors", whole_base("sd2"))
    assert problems_of(second, vae=str(first), prediction_type="epsilon") == []  # the same VAE


def test_16_channels_are_another_familys(xl: Path, tmp_path: Path) -> None:
    shapes = bare(part_shapes("sdxl", "vae"))
    del shapes["post_quant_conv.weight"], shapes["post_quant_conv.bias"]
    vae = hollow(tmp_path / "a.safetensors", shapes | {"decoder.conv_in.weight": (512, 16, 3, 3)})
    assert (
        "has latents of 16 channels (16: SD 3 or Flux), the base's have 4" in problems_of(xl, vae=str(vae))[0]
    )


def test_bare_weights_do_not_say(xl: Path, tmp_path: Path) -> None:
    """The VAEs of all three families have the same names and shapes."""
    assert part_shapes("sd1", "vae") == part_shapes("sdxl", "vae")
    vae = hollow(tmp_path / "a.safetensors", bare(part_shapes("sd1", "vae")))
    assert problems_of(xl, vae=str(vae)) == []


def test_our_own_headers_say(xl: Path, tmp_path: Path) -> None:
    own = {BASE_KEY: json.dumps({"configs": {"vae": family("sd1").configs["vae"]}})}
    vae = hollow(tmp_path / "a.safetensors", part_shapes("sd1", "vae"), own)
    assert "is for latents times 0.18215" in problems_of(xl, vae=str(vae))[0]


def test_another_tools_header_says(xl: Path, tmp_path: Path) -> None:
    own = {"modelspec.architecture": "stable-diffusion-v1/vae"}
    vae = hollow(tmp_path / "a.safetensors", bare(part_shapes("sd1", "vae")), own)
    assert "is for latents times 0.18215" in problems_of(xl, vae=str(vae))[0]


def test_a_base_with_a_scale_of_its_own_is_compared_by_it(tmp_path: Path) -> None:
    configs = {**CONFIGS["sdxl"], "vae": {**CONFIGS["sdxl"]["vae"], "scaling_factor": 0.5}}
    base = folder(tmp_path / "base", configs)
    assert problems_of(base, vae=str(folder_of_vae(tmp_path / "a", scaling_factor=0.5))) == []
    assert "times 0.5" in problems_of(base, vae=str(folder_of_vae(tmp_path / "b")))[0]
