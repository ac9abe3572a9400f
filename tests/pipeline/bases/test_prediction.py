"""What a base predicts, by the signs that other tools write."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.bases.look import recognise
from pipeline.bases.prediction import WITNESS, Prediction, of_header, of_scheduler, scheduler_of
from pipeline.bases.registry import families
from pipeline.config.looked_at import looked_at
from pipeline.files.safetensors_header import read_header

EMPTY = torch.zeros(0)


def predicted(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None, family: str = "sdxl"
) -> Prediction:
    save_file(tensors or {"x": torch.ones(1)}, path, metadata)
    return of_header(path, read_header(path), families()[family].prediction)


def test_markers_say_v_and_zero_terminal_snr(tmp_path: Path) -> None:
    found = predicted(tmp_path / "a.safetensors", {"v_pred": EMPTY, "ztsnr": EMPTY})
    assert (found.type, found.zero_terminal_snr) == ("v_prediction", True)
    found = predicted(tmp_path / "b.safetensors", {"v_pred": EMPTY})
    assert (found.type, found.zero_terminal_snr) == ("v_prediction", False)


@pytest.mark.parametrize(("said", "kind"), [("v", "v_prediction"), ("epsilon", "epsilon")])
def test_the_header_says_it(said: str, kind: str, tmp_path: Path) -> None:
    found = predicted(tmp_path / "a.safetensors", {}, {"modelspec.prediction_type": said}, "sd2")
    assert found.type == kind


def test_sdxl_without_a_sign_predicts_the_noise(tmp_path: Path) -> None:
    assert predicted(tmp_path / "a.safetensors", {}).type == "epsilon"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("deviation", "likely"), [(0.2, "v_prediction"), (0.02, "epsilon")])
def test_sd2_without_a_sign_is_asked_for_with_the_statistic(
    deviation: float, likely: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    values = torch.tensor([deviation, -deviation] * 160).to(dtype)
    found = predicted(tmp_path / "a.safetensors", {WITNESS: values}, family="sd2")
    assert found.type is None
    assert f"is {deviation:.3f}" in found.evidence
    assert f"suggests {likely}" in found.evidence


def test_a_scheduler_is_changed_only_where_it_says_otherwise() -> None:
    config = {"beta_start": 0.00085, "steps_offset": 1}
    assert scheduler_of(config, "epsilon", False) == config
    assert scheduler_of(config, "v_prediction", True) == {
        **config, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }  # fmt: skip
    assert of_scheduler(scheduler_of(config, "v_prediction", True), "x").zero_terminal_snr


def asked(path: Path, **given: object) -> tuple[dict[str, object], list[str]]:
    problems: list[str] = []
    group = {"path": str(path), "family": None, "prediction_type": None, **given}
    return looked_at(group, problems), problems


def small_unet(path: Path, tensors: dict[str, Tensor]) -> Path:
    """The signs of SD 2: linear layers around attention in six input blocks, its text encoder, a VAE."""
    prefix = "model.diffusion_model."
    other_parts = (*families()["sd2"].text_signs, "first_stage_model.")
    named = {f"{start}x": torch.zeros(1) for start in other_parts} | {
        f"{prefix}input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)
    }
    for block in (1, 2, 4, 5, 7, 8):
        place = f"{prefix}input_blocks.{block}.1."
        named[f"{place}proj_in.weight"] = torch.zeros(4, 4)
        named[f"{place}transformer_blocks.0.attn2.to_k.weight"] = torch.zeros(4, 16)
    save_file({**named, **tensors}, path)
    return path


def test_sd2_asks_which_and_takes_the_answer(tmp_path: Path) -> None:
    path = small_unet(tmp_path / "a.safetensors", {})
    found = recognise(path)
    assert found is not None
    assert found.facts is families()["sd2"]
    _, (problem,) = asked(path)
    assert problem.endswith("set base.prediction_type to the one that its publisher names")
    filled, problems = asked(path, prediction_type="v_prediction")
    assert (filled["family"], problems) == ("sd2", [])


def test_a_contradiction_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_unet(tmp_path / "a.safetensors", {"v_pred": EMPTY})
    assert asked(path, prediction_type="epsilon")[1] == []
    assert "its tensor v_pred says v_prediction; epsilon is used" in capsys.readouterr().err


def test_a_family_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    path = small_unet(tmp_path / "a.safetensors", {"v_pred": EMPTY})
    _, (problem,) = asked(path, family="sdxl")
    assert "base.family is sdxl, but base.path" in problem
