"""One sentence for each base that cannot be trained here, before anything runs. Real names and shapes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.bases.look import recognise
from pipeline.bases.prediction import V_MARKER
from pipeline.bases.registry import SCALED_FP8, family, titles
from pipeline.bases.unet_names import LDM_UNET_PREFIX, ldm_name
from pipeline.config.looked_at import looked_at
from tests.pipeline.bases.published import DIFFUSERS, Shapes, hollow, open_clip, part_shapes, whole_base

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CONFIGS = {name: family(name).configs for name in ("sd1", "sd2", "sdxl")}


def problems_of(path: Path, **given: object) -> list[str]:
    found: list[str] = []
    looked_at({"path": str(path), "family": None, "prediction_type": None, "vae": None, **given}, found)
    return found


def without(shapes: Shapes, *starts: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.startswith(starts)}


def ssd1b() -> Shapes:
    """Four layers instead of ten at the lowest level, none in the middle."""
    deep = [f"{UNET}{block}.1.transformer_blocks.{layer}." for layer in range(4, 10)
            for block in ("input_blocks.7", "input_blocks.8")]  # fmt: skip
    return without(whole_base("sdxl"), f"{UNET}middle_block.1.", *deep)


def refiner() -> Shapes:
    names = DIFFUSERS["refiner"].items()
    unet = {
        LDM_UNET_PREFIX + ldm_name(name, (False, True, True, False)): tuple(shape) for name, shape in names
    }
    text = open_clip("conditioner.embedders.0.model.", 32, 1280)
    return unet | part_shapes("sdxl", "vae") | text


def inpainting(name: str) -> Shapes:
    first = f"{UNET}input_blocks.0.0.weight"
    return whole_base(name) | {first: (320, 9, 3, 3)}


def flux() -> Shapes:
    start = f"{UNET}double_blocks.0.img_attn."
    return {f"{start}qkv.weight": (9216, 3072), f"{start}norm.key_norm.scale": (128,)}


def edm() -> Shapes:
    return whole_base("sdxl") | {"edm_mean": (4,), "edm_std": (4,)}


SCALE = f"{UNET}input_blocks.4.1.proj_in.scale_weight"
FILES: dict[str, tuple[str, Callable[[], Shapes]]] = {
    "SSD-1B": ("Stable Diffusion XL distilled (SSD-1B, Segmind Vega, KOALA)", ssd1b),
    "Playground": ("Stable Diffusion XL with EDM's noise levels (Playground v2.5)", edm),
    "refiner": ("Stable Diffusion XL refiner", refiner),
    "inpainting": ("Stable Diffusion XL inpainting", lambda: inpainting("sdxl")),
    "SD 2 inpainting": ("Stable Diffusion 2.x inpainting", lambda: inpainting("sd2")),
    "Flux": ("Flux", flux),
    "scaled": (SCALED_FP8, lambda: whole_base("sdxl") | {"scaled_fp8": ()}),
    "scaled by weight": (SCALED_FP8, lambda: whole_base("sdxl") | {SCALE: ()}),
    "VAE": ("a VAE alone", lambda: bare("vae", VAE)),
    "U-Net": ("a U-Net without its prefix alone", lambda: bare("unet", UNET)),
}


def bare(part: str, prefix: str) -> Shapes:
    return {name.removeprefix(prefix): shape for name, shape in part_shapes("sdxl", part).items()}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_not_trained_here_is_named(case: str, tmp_path: Path) -> None:
    title, shapes = FILES[case]
    path = hollow(tmp_path / "a.safetensors", shapes())
    expected = f"base.path {path} is {title}; this pipeline trains {titles()}: choose such a base"
    assert problems_of(path) == [expected]


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_a_whole_base_of_published_size_is_no_problem(name: str, tmp_path: Path) -> None:
    path = hollow(tmp_path / "a.safetensors", whole_base(name))
    assert problems_of(path, prediction_type="epsilon") == []
    found = recognise(path)
    assert found is not None
    assert (found.facts, found.trainable, found.missing) == (family(name).facts, True, ())


@pytest.mark.parametrize(
    ("prefixes", "words"),
    [
        ((VAE,), "has no VAE; set base.vae to one"),
        (("conditioner.", VAE), "has no first text encoder, no second text encoder"),
        (("conditioner.embedders.0.",), "has no first text encoder; a base"),
        ((UNET,), "has no U-Net"),
    ],
)
def test_a_missing_part_is_named(prefixes: tuple[str, ...], words: str, tmp_path: Path) -> None:
    path = hollow(tmp_path / "a.safetensors", without(whole_base("sdxl"), *prefixes))
    (problem,) = problems_of(path)
    assert problem.startswith(f"base.path {path} {words}")


def test_a_missing_vae_is_no_problem_with_base_vae(tmp_path: Path) -> None:
    path = hollow(tmp_path / "a.safetensors", without(whole_base("sdxl"), VAE))
    vae = hollow(tmp_path / "vae.safetensors", part_shapes("sdxl", "vae"))
    assert problems_of(path, vae=str(vae)) == []


def folder(path: Path, configs: Mapping[str, dict[str, Any]], **unet: Any) -> Path:
    """A diffusers folder without weights."""
    for part, config in {**configs, "unet": {**configs["unet"], **unet}}.items():
        (path / part).mkdir(parents=True)
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        (path / part / name).write_text(json.dumps(config))
    (path / "model_index.json").write_text("{}")
    return path


REFINER = {
    "block_out_channels": [384, 768, 1536, 1536], "transformer_layers_per_block": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "unet", "title"),
    [
        ("sdxl", {"transformer_layers_per_block": [1, 2, 4]}, "Stable Diffusion XL distilled"),
        ("sdxl", {"mid_block_type": "UNetMidBlock2D"}, "Stable Diffusion XL distilled"),
        ("sdxl", REFINER, "Stable Diffusion XL refiner"),
        ("sdxl", {"in_channels": 9}, "Stable Diffusion XL inpainting"),
        ("sd1", {"in_channels": 9}, "Stable Diffusion 1.x inpainting"),
        (
            "sd2",
            {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2048},
            "Stable Diffusion 2.x unCLIP",
        ),
    ],
)
def test_a_folder_that_is_not_trained_here_is_named(
    name: str, unet: dict[str, Any], title: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(folder(tmp_path / "a", CONFIGS[name], **unet))
    assert f" is {title}" in problem


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_a_published_folder_is_no_problem(name: str, tmp_path: Path) -> None:
    assert problems_of(folder(tmp_path / "a", CONFIGS[name])) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("EDMDPMSolverMultistepScheduler", "EDM's"),
        ("FlowMatchEulerDiscreteScheduler", "a flow's"),
    ],
)
def test_a_folder_with_other_noise_levels_is_named(kind: str, words: str, tmp_path: Path) -> None:
    scheduler = {"_class_name": kind, "num_train_timesteps": 1000}
    (problem,) = problems_of(folder(tmp_path / "a", {**CONFIGS["sdxl"], "scheduler": scheduler}))
    assert f"is Stable Diffusion XL with {words} noise levels" in problem


@pytest.mark.parametrize(
    ("kind", "title"),
    [("FluxTransformer2DModel", "Flux"), ("OtherModel", "a base without a U-Net")],
)  # fmt: skip
def test_a_folder_of_a_transformer_is_named(kind: str, title: str, tmp_path: Path) -> None:
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer/config.json").write_text(json.dumps({"_class_name": kind}))
    (problem,) = problems_of(tmp_path)
    assert f" is {title}; this pipeline trains" in problem


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    whole = CONFIGS["sdxl"]
    configs = {part: config for part, config in whole.items() if part != "text_encoder_2"}
    (problem,) = problems_of(folder(tmp_path / "a", configs))
    assert "has no folder text_encoder_2" in problem


def test_v_prediction_declared_epsilon_is_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hollow(tmp_path / "a.safetensors", whole_base("sdxl") | {V_MARKER: (0,)})
    assert problems_of(path, prediction_type="epsilon") == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "base.prediction_type is epsilon, but its tensor v_pred says v_prediction; epsilon is used" in line
    assert problems_of(path, prediction_type="v_prediction") == problems_of(path) == []
    assert capsys.readouterr().err == ""


def test_v_prediction_of_a_file_that_does_not_say_is_no_contradiction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trainers drop the marker; the parameter is the cure."""
    path = hollow(tmp_path / "a.safetensors", whole_base("sdxl"))
    assert problems_of(path, prediction_type="v_prediction") == []
    assert capsys.readouterr().err == ""


def test_a_folders_scheduler_is_contradicted_in_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduler = {**CONFIGS["sd2"]["scheduler"], "prediction_type": "v_prediction"}
    path = folder(tmp_path / "a", {**CONFIGS["sd2"], "scheduler": scheduler})
    assert problems_of(path, prediction_type="epsilon") == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "scheduler_config.json says v_prediction; epsilon is used" in line


def test_a_marker_against_its_header_is_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """People add the marker to files that lack it; base.prediction_type ends the doubt."""
    metadata = {"modelspec.prediction_type": "epsilon"}
    path = hollow(tmp_path / "a.safetensors", whole_base("sdxl") | {V_MARKER: (0,)}, metadata)
    assert problems_of(path) == []
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "its tensor v_pred says v_prediction, modelspec.prediction_type in its header says otherwise" in line
    )
    assert problems_of(path, prediction_type="v_prediction") == []
    assert capsys.readouterr().err == ""
