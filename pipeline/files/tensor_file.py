"""Tensors of a .safetensors or .ckpt file, read by name and by span, so that no file is ever in memory whole.

A .safetensors file is read at its offsets. A .ckpt (a zip of a pickle and raw numbers) is mapped into memory
by torch, which unpickles tensors and plain containers alone (`weights_only`): a stranger's file runs no code.
"""

import json
import os
import pickle
import struct
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.safetensors_file import DTYPES

TYPES = {name: dtype for dtype, name in DTYPES.items()} | {
    "I16": torch.int16, "I8": torch.int8, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
HEADER_LIMIT_BYTES = 100_000_000
"""As the format's own reader has it."""


class Bytes(Protocol):
    """Where the bytes of a tensor stand."""

    def read(self, start: int, stop: int) -> Tensor:
        """uint8 [stop - start]."""
        ...


class OpenFile:
    """Open for reading as long as anyone holds it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self.descriptor)


@dataclass(frozen=True)
class InFile:
    """From `offset` on in an open file. Several threads may read at once."""

    file: OpenFile
    offset: int

    def read(self, start: int, stop: int) -> Tensor:
        buffer = torch.empty(stop - start, dtype=torch.uint8)
        view, done = memoryview(buffer.numpy()), 0  # type: ignore[arg-type]
        while done < len(view):
            read = os.preadv(self.file.descriptor, [view[done:]], self.offset + start + done)
            if not read:
                raise OSError(f"the file ends {len(view) - done} bytes early")
            done += read
        return buffer


@dataclass(frozen=True, eq=False)
class InMemory:
    """The numbers of a tensor that is mapped or was made."""

    flat: Tensor

    def read(self, start: int, stop: int) -> Tensor:
        return self.flat[start:stop]

    @classmethod
    def of(cls, tensor: Tensor) -> "InMemory":
        return cls(tensor.contiguous().flatten().view(torch.uint8))


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: numbers in row-major order."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    bytes: Bytes

    @property
    def numel(self) -> int:
        return prod(self.shape)

    def read(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Numbers `start` to `stop` of the flattened tensor, in its own type."""
        stop = self.numel if stop is None else stop
        width = self.dtype.itemsize
        return self.bytes.read(start * width, stop * width).view(self.dtype)


@dataclass(frozen=True)
class TensorFile:
    """An open file: its tensors by name, and its header's metadata."""

    path: Path
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str]


def open_tensors(path: Path) -> TensorFile:
    """Opens a .safetensors, .ckpt or .pt file; no number is read yet. A damaged file is a user error."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; correct the path")
    return _open_pickle(path) if path.suffix in (".ckpt", ".pt", ".pth", ".bin") else _open_safetensors(path)


def _open_safetensors(path: Path) -> TensorFile:
    whole = path.stat().st_size
    with path.open("rb") as opened:
        start = opened.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(whole - 8, HEADER_LIMIT_BYTES):
            raise UserError(f"{path} is no .safetensors file, or is cut short: fetch it again")
        text = opened.read(length)
    file = OpenFile(path)
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        tensors = {name: _stored(file, 8 + length, entry) for name, entry in header.items()}
        spans = sorted(entry["data_offsets"] for entry in header.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} has a header that cannot be read ({error}): fetch it again") from error
    ends = [0, *(stop for _, stop in spans)]
    if [start for start, _ in spans] != ends[:-1] or 8 + length + ends[-1] != whole:
        raise UserError(
            f"{path} is damaged: it has {whole} bytes, its header promises {8 + length + ends[-1]} without"
            " gaps; fetch it again"
        )
    return TensorFile(path, tensors, metadata)


def _stored(file: OpenFile, data: int, entry: Mapping[str, Any]) -> Stored:
    dtype, shape = TYPES[entry["dtype"]], tuple(int(side) for side in entry["shape"])
    start, stop = entry["data_offsets"]
    if start < 0 or stop - start != prod(shape) * dtype.itemsize:
        raise ValueError(f"shape {shape} does not fill bytes {start} to {stop}")
    return Stored(dtype, shape, InFile(file, data + start))


def _open_pickle(path: Path) -> TensorFile:
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} holds more than tensors, or is damaged ({reason}); only tensors are read from"
            " such a file, since anything else could run code: convert it to .safetensors elsewhere"
        ) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    found = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not found:
        raise UserError(f"{path} holds no tensors by name; it is no checkpoint")
    return TensorFile(
        path,
        {
            name: Stored(value.dtype, tuple(value.shape), InMemory.of(value.detach()))
            for name, value in found.items()
        },
        {},
    )
