import json
import os
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.tensor_file import open_tensors
from pipeline.files.tensor_writer import remove_abandoned, tensor_writer

TENSORS = {
    "a": torch.arange(12.0).reshape(3, 4),
    "b": torch.tensor([1.5, -2.0, 3.0]).half(),
    "ids": torch.arange(3),
    "half": torch.ones(5, dtype=torch.bfloat16),
    "one": torch.tensor(7.0),
}


@pytest.fixture(params=["a.safetensors", "a.ckpt"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    if path.suffix == ".ckpt":
        torch.save({"state_dict": TENSORS, "epoch": 3}, path)
    else:
        write_safetensors(path, TENSORS, {"k": "v"})
    return path


def test_tensors_are_read_by_name_and_by_span(path: Path) -> None:
    file = open_tensors(path)
    assert file.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        stored = file.tensors[name]
        assert (stored.dtype, stored.shape) == (tensor.dtype, tuple(tensor.shape))
        assert torch.equal(stored.read().reshape(stored.shape), tensor)
    assert file.tensors["a"].read(5, 7).tolist() == [5.0, 6.0]


def test_tensors_stay_readable_when_the_file_is_forgotten(path: Path) -> None:
    stored = open_tensors(path).tensors["b"]
    assert stored.read(1, 3).tolist() == [-2.0, 3.0]


def test_a_stranger_s_pickle_runs_no_code(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"state_dict": {"a": torch.ones(1)}, "callback": Harm()}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="could run code, so it is not read"):
        open_tensors(tmp_path / "a.ckpt")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("cut", [4, 30, -1])
def test_a_file_cut_short_is_told(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"a\.safetensors .*fetch it again"):
        open_tensors(path)


@pytest.mark.parametrize(
    "entries",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        },
        [],
    ],
    ids=["too short", "unknown type", "gap", "overlap", "no mapping"],
)
def test_a_header_that_lies_is_told(entries: object, tmp_path: Path) -> None:
    header = json.dumps(entries).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(UserError, match="fetch it again"):
        open_tensors(tmp_path / "a.safetensors")


def test_pieces_in_any_order_give_the_bytes_of_the_whole(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "whole", TENSORS, {"k": "v"})
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in TENSORS.items()}
    with tensor_writer(tmp_path / "pieces", shapes, {"k": "v"}) as writer:
        writer.write("a", torch.arange(7.0, 12.0), 7)
        for name in reversed(list(TENSORS)):
            writer.write(name, TENSORS[name].flatten()[:7])
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_part_that_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path, shapes = tmp_path / "a.safetensors", {"a": (torch.float32, (2,))}
    (tmp_path / ".a.safetensors.4242-1.part").write_bytes(b"left")
    (tmp_path / ".b.safetensors.4242-1.part").write_bytes(b"another file's")
    with tensor_writer(path, shapes, {}) as outer:
        with tensor_writer(tmp_path / "b.safetensors", shapes, {}):
            pass
        remove_abandoned(path)
        outer.write("a", torch.ones(2))
    assert torch.equal(open_tensors(path).tensors["a"].read(), torch.ones(2))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_checkpoints_of_the_first_years_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Lightning's class and numpy's numbers beside the weights, and before torch wrote archives."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    callback = type("ModelCheckpoint", (), {"__module__": name})
    for place in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.setitem(sys.modules, place, ModuleType(place))
    monkeypatch.setattr(sys.modules[name], "ModelCheckpoint", callback, raising=False)
    content = {"state_dict": TENSORS, "callbacks": {callback: {"best": np.float64(0.5)}}}
    for archive in (True, False):
        torch.save(content, tmp_path / f"{archive}.ckpt", _use_new_zipfile_serialization=archive)
    for place in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.delitem(sys.modules, place)
    for archive in (True, False):
        file = open_tensors(tmp_path / f"{archive}.ckpt")
        assert file.tensors.keys() == TENSORS.keys()
        assert torch.equal(file.tensors["a"].read(), TENSORS["a"].flatten())


def test_a_file_without_weights_by_name_is_told(tmp_path: Path) -> None:
    torch.save({320: ({"linear.weight": torch.ones(2)},), "step": 3}, tmp_path / "hyper.pt")
    torch.save({"string_to_param": {"*": torch.ones(2, 3)}, "name": "zib"}, tmp_path / "zib.pt")
    for name in ("hyper.pt", "zib.pt"):
        with pytest.raises(UserError, match="an embedding or a hypernetwork cannot be merged"):
            open_tensors(tmp_path / name)


def test_a_system_without_preadv_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows: a stand-in, which has everything else of this system."""
    write_safetensors(tmp_path / "file.safetensors", TENSORS, {})
    opened = open_tensors(tmp_path / "file.safetensors").tensors
    monkeypatch.delattr(os, "preadv")
    for name, tensor in TENSORS.items():
        assert torch.equal(opened[name].read().reshape(tensor.shape), tensor)
