"""What `python -m pipeline.bases inspect` says of real files."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.bases.__main__ import main
from pipeline.bases.base import Base
from pipeline.bases.doctor import examined
from pipeline.bases.projection import FOLDER_FILE, PUBLISHED, XL_PROJECTION_KEY, orientation
from pipeline.bases.registry import family
from pipeline.bases.save import save_file as save_base
from pipeline.bases.save import save_folder
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.config.looked_at import looked_at
from pipeline.errors import UserError
from pipeline.files.safetensors_header import read_header
from tests.pipeline.bases.tiny import random_parts, small_configs


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, configs = family("sdxl"), small_configs("sdxl")
    base = Base(made, make_tokenizer(None), random_parts(made, configs), configs)
    folder = tmp_path_factory.mktemp("xl")
    save_base(base, folder / "xl.safetensors", "fp16", {"modelspec.license": "CreativeML Open RAIL++-M"})
    save_folder(base, folder / "xl", "fp16", {})
    return folder


def test_a_whole_file(xl: Path) -> None:
    facts = examined(xl / "xl.safetensors")
    assert facts["family"] == "Stable Diffusion XL"
    assert facts["trained here"] == "yes"
    assert facts["parts"] == "U-Net, VAE, first text encoder, second text encoder"
    assert "missing" not in facts
    assert facts["precision"].startswith("F16 (")
    assert facts["licence"] == "CreativeML Open RAIL++-M"
    assert examined(xl / "xl")["family"] == facts["family"]


def test_missing_parts_and_markers_are_named(xl: Path, tmp_path: Path) -> None:
    tensors = {
        name: tensor
        for name, tensor in load_file(xl / "xl.safetensors").items()
        if name.startswith("model.diffusion_model.")
    }
    save_file({**tensors, "v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, tmp_path / "unet.safetensors")
    facts = examined(tmp_path / "unet.safetensors")
    assert facts["missing"] == "VAE, first text encoder, second text encoder"
    assert facts["prediction"] == "v_prediction, zero terminal SNR (its tensor v_pred)"


@pytest.mark.parametrize(("turned", "word"), [(False, "right"), (True, "transposed")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_projections_orientation_by_the_published_numbers(
    turned: bool, word: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    matrix = torch.zeros(1280, 1280)
    matrix[:3, :3] = torch.from_numpy(PUBLISHED)
    save_file(
        {XL_PROJECTION_KEY: (matrix.T if turned else matrix).contiguous().to(dtype)},
        tmp_path / "a.safetensors",
    )
    header = read_header(tmp_path / "a.safetensors")
    assert orientation(tmp_path / "a.safetensors", header.tensors[XL_PROJECTION_KEY]) == word


def test_a_transposed_projection_is_refused_and_mended(xl: Path, tmp_path: Path) -> None:
    tensors = load_file(xl / "xl.safetensors")
    matrix = torch.randn(1280, 1280, generator=torch.Generator().manual_seed(0)).half()
    matrix[:3, :3] = torch.from_numpy(PUBLISHED).half()
    path, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({**tensors, XL_PROJECTION_KEY: matrix.T.contiguous()}, path, {"x": "y"})
    problems: list[str] = []
    looked_at({"path": str(path), "family": None, "prediction_type": None}, problems)
    assert "its text_projection is transposed" in problems[0]
    assert f"`python -m pipeline.bases mend {path} --out <file>` writes it right" in problems[0]
    main(["mend", str(path), "--out", str(out)])
    mended = load_file(out)
    assert torch.equal(mended[XL_PROJECTION_KEY], matrix)
    assert all(
        torch.equal(mended[name], tensor) for name, tensor in tensors.items() if name != XL_PROJECTION_KEY
    )
    assert read_header(out).metadata == {"x": "y"}


def test_a_folders_transposed_projection_is_refused_and_mended(xl: Path, tmp_path: Path) -> None:
    shutil.copytree(xl / "xl", tmp_path / "xl")
    path, key = tmp_path / "xl" / FOLDER_FILE, "text_projection.weight"
    tensors = load_file(path)
    matrix = torch.randn(1280, 1280, generator=torch.Generator().manual_seed(0)).half()
    matrix[:3, :3] = torch.from_numpy(PUBLISHED).half().T
    group = {"path": str(tmp_path / "xl"), "family": None, "prediction_type": None}
    for turned in (False, True):
        save_file({**tensors, key: matrix.T.contiguous() if turned else matrix}, path)
        problems: list[str] = []
        looked_at(group, problems)
        assert [f"mend {path} --out" in each for each in problems] == [True] * turned
    main(["mend", str(path), "--out", str(tmp_path / "mended.safetensors")])
    assert torch.equal(load_file(tmp_path / "mended.safetensors")[key], matrix)


def test_the_command(xl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(xl / "xl.safetensors")])
    assert "text_projection: unknown" in capsys.readouterr().out
    with pytest.raises(UserError, match="no such file or folder"):
        main(["inspect", str(xl / "none")])
