"""The header without torch, beside the package's own reading."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.safetensors_header import metadata_of, read_header


@pytest.mark.parametrize("metadata", [{}, {"ss_epoch": "1", "title": "\u00e4"}])
def test_it_reads_what_the_package_reads(metadata: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"a": torch.ones(2), "b": torch.ones(3, 1).half()}, metadata)
    assert metadata_of(path) == metadata
    with safe_open(path, "pt") as file:
        theirs = {key: tuple(file.get_slice(key).get_shape()) for key in ("a", "b")}
    assert read_header(path).shapes == theirs


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\xff" * 16, b"\x02" + b"\0" * 7 + b"{", b"\x02" + b"\0" * 7 + b"[]"]
)
def test_another_file_is_a_user_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(UserError, match="not a readable"):
        metadata_of(path)
