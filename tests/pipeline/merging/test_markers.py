"""What a merge says its result predicts: a file by empty tensors, a folder by its scheduler."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.look import recognise
from pipeline.bases.save import file_header, file_tensors, save_folder
from pipeline.config.recipes import parse
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.build import run_recipe
from pipeline.merging.folder import run_recipe_to_folder
from pipeline.schemas import BaseConfig
from pipeline.schemas.recipe import Recipe
from tests.pipeline.bases.test_text import small_base

EMPTY = torch.zeros(0)
V_ZERO = {"v_pred": EMPTY, "ztsnr": EMPTY}
LORA = "lora_unet_input_blocks_4_1_proj_in"
"""sd-scripts' name of a layer of SDXL."""


@pytest.fixture(scope="module")
def base() -> Base:
    return small_base("sdxl")


def file_of(base: Base, path: Path, **more: torch.Tensor) -> Path:
    write_safetensors(path, file_tensors(base, torch.float16) | more, file_header(base))
    return path


def copied(path: Path, **changes: Any) -> Recipe:
    return parse({"inputs": {"a": str(path)}, "merge": "a", "dtype": "source", **changes}, "recipe")


def markers(path: Path) -> set[str]:
    return load_file(path).keys() & V_ZERO.keys()


def predicted(path: Path) -> tuple[str | None, bool]:
    found = recognise(path)
    assert found is not None
    assert found.prediction is not None
    assert found.prediction.against == ""
    return found.prediction.type, found.prediction.zero_terminal_snr


def test_markers_go_through_a_merge(base: Base, tmp_path: Path) -> None:
    run_recipe(copied(file_of(base, tmp_path / "a.safetensors", **V_ZERO)), tmp_path / "b.safetensors")
    assert markers(tmp_path / "b.safetensors") == {"v_pred", "ztsnr"}


@pytest.mark.parametrize(("chosen", "expected"), [("epsilon", set()), ("v_prediction", {"v_pred"})])
def test_a_recipes_prediction_decides(chosen: str, expected: set[str], base: Base, tmp_path: Path) -> None:
    marker = {"v_pred": EMPTY} if chosen == "epsilon" else {}
    path = file_of(base, tmp_path / "a.safetensors", **marker)
    run_recipe(copied(path, prediction_type=chosen), tmp_path / "b.safetensors")
    assert markers(tmp_path / "b.safetensors") == expected
    assert predicted(tmp_path / "b.safetensors") == (chosen, False)


def test_a_folder_says_it_in_its_scheduler_and_a_file_made_of_it_in_markers(
    base: Base, tmp_path: Path
) -> None:
    path = file_of(base, tmp_path / "a.safetensors", **V_ZERO)
    run_recipe_to_folder(copied(path), tmp_path / "b")
    scheduler = json.loads((tmp_path / "b/scheduler/scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction"
    assert scheduler["rescale_betas_zero_snr"] is True
    assert scheduler["timestep_spacing"] == "trailing"
    run_recipe(copied(tmp_path / "b"), tmp_path / "c.safetensors")
    assert markers(tmp_path / "c.safetensors") == {"v_pred", "ztsnr"}


def test_a_network_that_learned_zero_terminal_snr_brings_it_along(base: Base, tmp_path: Path) -> None:
    path = file_of(base, tmp_path / "a.safetensors", v_pred=EMPTY)
    width = base.denoiser.down_blocks[1].attentions[0].proj_in.weight.shape[0]
    weights = {
        f"{LORA}.lora_down.weight": torch.ones(1, width),
        f"{LORA}.lora_up.weight": torch.ones(width, 1),
    }
    for said in ("True", "False"):
        write_safetensors(tmp_path / f"{said}.safetensors", weights, {"ss_zero_terminal_snr": said})
        inputs = {"a": str(path), "n": str(tmp_path / f"{said}.safetensors")}
        merge = {"method": "bake", "model": "a", "network": "n", "strength": 1.0}
        out = tmp_path / f"out{said}.safetensors"
        run_recipe(parse({"inputs": inputs, "merge": merge, "dtype": "fp16"}, "recipe"), out)
        assert markers(out) == {"v_pred"} | ({"ztsnr"} if said == "True" else set())


@pytest.mark.parametrize("name", ["sd2", "sdxl"])
def test_a_folder_of_a_merge_has_the_files_numbers(name: str, tmp_path: Path) -> None:
    """Also where a file's tensor holds three of a module's, or is turned."""
    base = small_base(name)
    path = file_of(base, tmp_path / "a.safetensors")
    run_recipe_to_folder(copied(path), tmp_path / "b")
    save_folder(load_base(BaseConfig.plain(str(path))), tmp_path / "c", "fp16", {})
    files = sorted(file.relative_to(tmp_path / "c") for file in (tmp_path / "c").rglob("*.safetensors"))
    assert len(files) == len(base.family.parts)
    for file in files:
        ours, theirs = load_file(tmp_path / "b" / file), load_file(tmp_path / "c" / file)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
