"""A checkpoint that cannot be gone on from is none: never a traceback, never other weights."""

from pathlib import Path
from random import Random

import pytest
import torch

from pipeline.errors import UserError
from pipeline.training.run_folder import LAST_STATE, RunFolder


def saved(folder: Path) -> RunFolder:
    """A workplace with one epoch's file and a state that goes on from it."""
    place = RunFolder(folder)
    (place.files / "net-000001.safetensors").write_bytes(b"the weights of an epoch")
    place.save(LAST_STATE, {"done": 3, "files": place.digests(), "weights": torch.arange(64.0)})
    return place


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    saved(tmp_path)
    state = RunFolder(tmp_path).load(LAST_STATE)
    assert state is not None
    assert state["done"] == 3
    assert torch.equal(state["weights"], torch.arange(64.0))


def test_a_flipped_byte_of_a_checkpoint_changes_nothing_or_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every weight is found; bytes between the parts, which nothing reads, may be as they are."""
    saved(tmp_path)
    path, random = tmp_path / LAST_STATE, Random(0)
    whole = path.read_bytes()
    weights = whole.index(torch.arange(64.0).numpy().tobytes())
    refused = 0
    for at in [*range(weights, weights + 256, 8), *(random.randrange(len(whole)) for _ in range(100))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        state = RunFolder(tmp_path).load(LAST_STATE)
        said = capsys.readouterr().err
        assert (state is None) == (f"warning: the checkpoint {path} is not used: " in said)
        assert state is None or torch.equal(state["weights"], torch.arange(64.0))
        refused += state is None
    assert refused >= 32


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", bytes(1000), b"no checkpoint"])
def test_what_is_no_checkpoint_is_none(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / LAST_STATE).write_bytes(content)
    assert RunFolder(tmp_path).load(LAST_STATE) is None
    assert "is not used: it is damaged or cut off" in capsys.readouterr().err


@pytest.mark.parametrize("length", [1, 1000, -1])
def test_a_cut_checkpoint_is_none(length: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path)
    (tmp_path / LAST_STATE).write_bytes((tmp_path / LAST_STATE).read_bytes()[:length])
    assert RunFolder(tmp_path).load(LAST_STATE) is None
    assert "is not used" in capsys.readouterr().err


def test_a_file_of_torch_that_is_no_checkpoint_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save([1, 2], tmp_path / LAST_STATE)
    assert RunFolder(tmp_path).load(LAST_STATE) is None
    assert "it is not a checkpoint of this program" in capsys.readouterr().err


def test_a_damaged_or_missing_epoch_makes_its_checkpoint_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path).files / "net-000001.safetensors"
    file.write_bytes(b"the weights of an epocj")
    assert RunFolder(tmp_path).load(LAST_STATE) is None
    assert f"{file} is damaged" in capsys.readouterr().err
    file.unlink()
    assert RunFolder(tmp_path).load(LAST_STATE) is None
    assert f"{file} is missing" in capsys.readouterr().err


def test_an_epoch_that_rots_during_the_training_is_not_delivered(tmp_path: Path) -> None:
    place, out = saved(tmp_path / "place"), tmp_path / "out"
    out.mkdir()
    place.deliver(out)
    assert (out / "net-000001.safetensors").read_bytes() == b"the weights of an epoch"
    (place.files / "net-000001.safetensors").write_bytes(b"the weights of an epocj")
    with pytest.raises(UserError, match="was damaged on disk during training"):
        place.deliver(out)


def test_a_run_that_goes_back_writes_its_epochs_anew(tmp_path: Path) -> None:
    place, out = saved(tmp_path / "place"), tmp_path / "out"
    out.mkdir()
    place.keep_only({})
    (place.files / "net-000001.safetensors").write_bytes(b"other weights")
    place.deliver(out)
    assert (out / "net-000001.safetensors").read_bytes() == b"other weights"
