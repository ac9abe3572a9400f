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
from typing import Any

from pipeline.errors import UserError
from pipeline.files.damage import reason_of
from pipeline.files.hashing import sha256_of_tensors
from pipeline.files.json_text import parse_json

MOST_BYTES = 100_000_000
"""The format's own limit."""
HASH = re.compile(r"[0-9a-fA-F]{12,64}")
MOST_AXES, MOST_COUNT = 16, 1 << 62
WIDTHS = {
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
"""Bytes of a number, by the format's names of the types that are known here."""


@dataclass(frozen=True)
class Entry:
    """A tensor: `offset` of its first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class Header:
    """What stands in a file."""

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self.tensors.items()}


def read_header(path: Path) -> Header:
    """A file that is no .safetensors, is cut short, or whose header lies is a user error."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; correct the path")
    whole = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(whole - 8, MOST_BYTES):
            raise UserError(
                f"{path} is not a readable .safetensors file: it is of another kind, or cut short; fetch it"
                " again"
            )
        text = file.read(length)
    try:
        content = parse_json(text)
        metadata = _texts(content.pop("__metadata__", None) or {})
        tensors = {name: _entry(entry, 8 + length) for name, entry in content.items()}
        spans = sorted(entry["data_offsets"] for entry in content.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a readable .safetensors file: its header is damaged ({reason_of(error)}); fetch"
            " it again"
        ) from error
    ends = [0, *(stop for _, stop in spans)]
    if [start for start, _ in spans] != ends[:-1] or 8 + length + ends[-1] != whole:
        raise UserError(
            f"{path} is not a readable .safetensors file: it has {whole} bytes, its header promises"
            f" {8 + length + ends[-1]} without gaps; fetch it again"
        )
    return Header(tensors, metadata)


def _texts(metadata: Any) -> dict[str, str]:
    """As the format has it, text to text: what else is there would be taken for text by all who read it."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata must be texts by name")
    return metadata


def _entry(entry: Mapping[str, Any], data: int) -> Entry:
    shape, (start, stop), dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if dtype not in WIDTHS:
        raise ValueError(f"the type {dtype!r} is unknown")
    counts = [*shape, start, stop]
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(map(_is_count, counts)):
        raise ValueError("a shape or a place in the file is no list of counts")
    if stop - start != prod(shape) * WIDTHS[dtype]:
        raise ValueError(f"shape {shape} does not fill bytes {start} to {stop}")
    return Entry(dtype, tuple(shape), data + start)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_COUNT


def metadata_of(path: Path) -> Mapping[str, str]:
    """`__metadata__`; empty where there is none."""
    return read_header(path).metadata


def stated_hash(path: Path) -> str:
    """What AUTOMATIC1111 calls the file by: as its header says, where that is a hash; else computed."""
    stated = metadata_of(path).get("sshs_model_hash", "")
    return stated if HASH.fullmatch(stated) else sha256_of_tensors(path)
