"""The header of a .safetensors file, read without torch: eight bytes of length, then JSON.

    {"__metadata__": {text: text}, name: {"dtype": "F16", "shape": [...], "data_offsets": [start, stop]}, ...}

Offsets count from the header's end; the tensors fill the file without gaps.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tensors
from pipeline.files.json_text import JsonError, kind_of, parse_mapping

MOST_HEADER_BYTES = 100_000_000
"""The format's own limit."""
HASH = re.compile(r"[0-9a-fA-F]{12,64}")
MOST_AXES, MOST_TENSOR_COUNT = 16, 1 << 62
MOST_TENSOR_NAME_SHOWN = 120
"""Characters of a tensor's name in a message."""
ENTRY_KEYS = ("dtype", "shape", "data_offsets")
WIDTHS = {
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
"""Bytes of a number, by the format's names of the types that are known here."""


@dataclass(frozen=True)
class TensorEntry:
    """A tensor: `offset` of its first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class Header:
    """What stands in a file."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self.tensors.items()}


class HeaderError(ValueError):
    """What is wrong with a header, as the second half of a sentence."""


def read_header(path: Path) -> Header:
    """A file that is no .safetensors, is cut short, or whose header lies is a user error."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; correct the path")
    try:
        with path.open("rb") as file:
            return _header(file, path.stat().st_size)
    except HeaderError as error:
        raise UserError(f"{path} is not a readable .safetensors file: {error}; fetch it again") from None


def _header(file: BinaryIO, whole: int) -> Header:
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(whole - 8, MOST_HEADER_BYTES):
        raise HeaderError("it is of another kind, or cut short")
    try:
        content = parse_mapping(file.read(length))
    except JsonError as error:
        raise HeaderError(f"its header is damaged ({error})") from None
    metadata = _texts(content.pop("__metadata__", None) or {})
    tensors = {name: _entry(name, entry, 8 + length) for name, entry in content.items()}
    _insist_on_no_gaps({name: content[name]["data_offsets"] for name in tensors}, whole - 8 - length)
    return Header(tensors, metadata)


def _texts(metadata: Any) -> dict[str, str]:
    """As the format has it, text to text: what else is there would be taken for text by all who read it."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError("its header is damaged (its metadata must be texts by name)")
    return metadata


def _entry(name: str, entry: Any, data: int) -> TensorEntry:
    tensor = f"its tensor {_shown(name)}"
    if not isinstance(entry, dict):
        raise HeaderError(
            f"{tensor} is described by {kind_of(entry)}, and must be by {', '.join(ENTRY_KEYS)}"
        )
    if missing := [key for key in ENTRY_KEYS if key not in entry]:
        raise HeaderError(f"{tensor} has no {' and no '.join(missing)} in the header")
    dtype, shape, offsets = (entry[key] for key in ENTRY_KEYS)
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        found = _shown(dtype) if isinstance(dtype, str) else kind_of(dtype)
        raise HeaderError(f"{tensor} is of the unknown type {found}; known: {', '.join(WIDTHS)}")
    if not _are_counts(shape) or len(shape) > MOST_AXES:
        raise HeaderError(f"the shape of {tensor} is no list of at most {MOST_AXES} whole numbers")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise HeaderError(f"the data_offsets of {tensor} are not two whole numbers")
    start, stop = offsets
    if stop - start != prod(shape) * WIDTHS[dtype]:
        raise HeaderError(
            f"{tensor} has the shape {shape} of {dtype}, which does not fill bytes {start} to {stop}"
        )
    return TensorEntry(dtype, tuple(shape), data + start)


def _insist_on_no_gaps(spans: Mapping[str, list[int]], whole: int) -> None:
    """The tensors must fill the `whole` bytes behind the header, each byte once."""
    end, last = 0, ""
    for name, (start, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if start < end:
            raise HeaderError(f"its tensors {_shown(last)} and {_shown(name)} share bytes {start} to {end}")
        if start > end:
            raise HeaderError(
                f"bytes {end} to {start}, before its tensor {_shown(name)}, belong to no tensor"
            )
        end, last = stop, name
    if end != whole:
        raise HeaderError(f"its header promises {end} bytes of tensors, and {whole} follow")


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(each) is int and 0 <= each < MOST_TENSOR_COUNT for each in value
    )


def _shown(name: str) -> str:
    return repr(name if len(name) <= MOST_TENSOR_NAME_SHOWN else f"{name[:MOST_TENSOR_NAME_SHOWN]}...")


def metadata_of(path: Path) -> Mapping[str, str]:
    """`__metadata__`; empty where there is none."""
    return read_header(path).metadata


def stated_hash(path: Path) -> str:
    """What AUTOMATIC1111 calls the file by: as its header says, where that is a hash; else computed."""
    stated = metadata_of(path).get("sshs_model_hash", "")
    return stated if HASH.fullmatch(stated) else sha256_of_tensors(path)
