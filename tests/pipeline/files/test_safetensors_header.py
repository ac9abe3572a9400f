"""The header without torch, beside the package's own reading."""

import json
import struct
from pathlib import Path
from typing import Any

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


EXACT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def headed(path: Path, header: Any, data: int = 4) -> Path:
    """A file with this header and so many bytes behind it."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))
    return path


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        ([1], 0, r"its header is damaged \(it is a list, and must be a mapping\)"),
        ({"t": [1]}, 4, "its tensor 't' is described by a list"),
        ({"t": {"dtype": "F32", "shape": [1]}}, 4, "its tensor 't' has no data_offsets in the header"),
        ({"t": {}}, 4, "its tensor 't' has no dtype and no shape and no data_offsets"),
        ({"t": EXACT | {"dtype": ["F32"]}}, 4, "its tensor 't' is of the unknown type a list; known: I64"),
        ({"t": EXACT | {"dtype": {"F": 32}}}, 4, "its tensor 't' is of the unknown type a mapping"),
        ({"t": EXACT | {"dtype": None}}, 4, "its tensor 't' is of the unknown type None"),
        ({"t": EXACT | {"dtype": "F4"}}, 4, "its tensor 't' is of the unknown type 'F4'"),
        ({"t": EXACT | {"shape": 1}}, 4, "the shape of its tensor 't' is no list of at most 16 whole"),
        ({"t": EXACT | {"shape": [True]}}, 4, "the shape of its tensor 't' is no list"),
        ({"t": EXACT | {"shape": [1] * 17}}, 4, "the shape of its tensor 't' is no list of at most 16"),
        ({"t": EXACT | {"data_offsets": "04"}}, 4, "the data_offsets of its tensor 't' are not two whole"),
        ({"t": EXACT | {"data_offsets": [0, 4, 8]}}, 4, "the data_offsets of its tensor 't' are not two"),
        ({"t": EXACT | {"shape": [2]}}, 4, r"'t' has the shape \[2\] of F32, which does not fill bytes 0"),
        ({"t": EXACT, "u": EXACT}, 4, "its tensors 't' and 'u' share bytes 0 to 4"),
        ({"t": EXACT, "u": EXACT | {"data_offsets": [8, 12]}}, 12, "bytes 4 to 8, before its tensor 'u'"),
        ({"t": EXACT}, 8, "its header promises 4 bytes of tensors, and 8 follow"),
        ({"n" * 500: [1]}, 4, "its tensor 'n{120}...' is described"),
    ],
)  # fmt: skip
def test_what_a_header_gets_wrong_is_one_sentence(
    header: Any, data: int, reason: str, tmp_path: Path
) -> None:
    path = headed(tmp_path / "a.safetensors", header, data)
    with pytest.raises(UserError, match=reason) as error:
        read_header(path)
    (sentence,) = error.value.problems
    assert sentence.startswith(f"{path} is not a readable .safetensors file: ")
    assert sentence.endswith("; fetch it again")
    assert len(sentence) < len(str(path)) + 400


def test_tensors_without_numbers_are_in_order(tmp_path: Path) -> None:
    """The format allows them, also where the next begins."""
    empty = {"dtype": "F32", "shape": [0, 3], "data_offsets": [4, 4]}
    path = headed(tmp_path / "a.safetensors", {"a": EXACT, "b": empty, "c": empty})
    assert read_header(path).shapes == {"a": (1,), "b": (0, 3), "c": (0, 3)}
