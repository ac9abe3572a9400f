from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging import inspection
from pipeline.merging.__main__ import main
from pipeline.merging.inspection import by_block
from tests.pipeline.merging.random_checkpoints import FIRST, write_file


def test_distances_worked_by_hand_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    tensors = write_file(a, 0)
    changed = dict(tensors)
    middle = [key for key in tensors if "middle_block" in key]
    changed |= {key: 1.5 * tensors[key] for key in middle}
    write_safetensors(b, changed, {})
    found = by_block(a, b)
    assert list(found) == ["BASE", *list(found)[1:-1], "VAE"]
    assert len(found) == 27
    assert {label for label, amount in found.items() if amount.distance} == {"M00"}
    assert found["M00"].shown == pytest.approx(0.5)
    assert found["M00"].norm == pytest.approx(float(torch.cat([tensors[k].flatten() for k in middle]).norm()))
    main(["diff", str(a), str(b), "--out", str(tmp_path / "bars.png")])
    bars = [line for line in capsys.readouterr().out.splitlines() if "#" in line]
    assert len(bars) == 1
    assert bars[0].split()[:3] == ["M00", "50", "%"]
    with Image.open(tmp_path / "bars.png") as picture:
        blue = (np.asarray(picture) == inspection.BAR).all(2)
    rows = blue.any(1)
    assert (rows[1:] & ~rows[:-1]).sum() == 1  # the bar of the one block that differs, as long as bars are
    assert blue[rows].sum(1).tolist() == [inspection.BAR_PX + 1] * (2 * inspection.BAR_HALF_PX + 1)


def test_norms_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_file(tmp_path / "a.safetensors", 0)
    main(["inspect", str(tmp_path / "a.safetensors")])
    assert "root mean square" in capsys.readouterr().out
    # Every tensor was drawn with a standard deviation of 0.1.
    assert by_block(tmp_path / "a.safetensors", None)["M00"].shown == pytest.approx(0.1, rel=0.05)


def test_checkpoints_of_other_inputs_are_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "a.safetensors", 0)
    tensors = load_file(tmp_path / "a.safetensors")
    first = tensors[FIRST]
    inpainting = torch.cat([first, first, first[:, :1]], 1)
    write_safetensors(tmp_path / "b.safetensors", tensors | {FIRST: inpainting}, {})
    for names in ("ab", "ba"):
        with pytest.raises(UserError, match="inpainting"):
            by_block(*(tmp_path / f"{name}.safetensors" for name in names))
