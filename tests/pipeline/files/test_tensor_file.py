import json
import os
import struct
from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.tensor_file import open_tensors
from pipeline.files.tensor_writer import tensor_writer

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
    with pytest.raises(UserError, match="holds more than tensors"):
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
