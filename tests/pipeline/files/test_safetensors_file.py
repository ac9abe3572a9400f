import json
import struct
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.files.safetensors_file import write_safetensors

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "c": torch.tensor(3.0),
    "ids": torch.arange(3),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "turned": torch.arange(6.0).reshape(2, 3).T,
}


def test_the_package_reads_what_was_written(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", TENSORS, {"z": "1", "a": "2"})
    read = load_file(tmp_path / "a.safetensors")
    assert read.keys() == TENSORS.keys()
    assert all(
        torch.equal(read[key], TENSORS[key]) and read[key].dtype == TENSORS[key].dtype for key in TENSORS
    )
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata() == {"z": "1", "a": "2"}


def test_the_bytes_are_those_of_the_formats_own_writer(tmp_path: Path) -> None:
    save_file(
        {key: value.contiguous() for key, value in TENSORS.items()}, tmp_path / "theirs", {"only": "one"}
    )
    write_safetensors(tmp_path / "ours", TENSORS, {"only": "one"})
    ours, theirs = (tmp_path / "ours").read_bytes(), (tmp_path / "theirs").read_bytes()
    length = struct.unpack("<Q", theirs[:8])[0]
    assert json.loads(ours[8 : 8 + length]) == json.loads(theirs[8 : 8 + length])
    assert ours[-len(theirs) + 8 + length :] == theirs[8 + length :]


def test_equal_content_gives_equal_bytes_whatever_the_order(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a", TENSORS, {"x": "1", "y": "2"})
    write_safetensors(tmp_path / "b", dict(reversed(TENSORS.items())), {"y": "2", "x": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
