"""Tensors of a .safetensors or .ckpt file, read by name and by span, so that no file is ever in memory whole.

A .safetensors file is read at its offsets. A .ckpt (a zip of a pickle and raw numbers) is mapped into memory
by torch, which unpickles tensors and plain containers alone (`weights_only`): a stranger's file runs no code.
"""

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.pickled import read_pickled
from pipeline.files.safetensors_file import DTYPE_NAMES
from pipeline.files.safetensors_header import Header, read_header

DTYPE_OF_NAME = {name: dtype for dtype, name in DTYPE_NAMES.items()}


_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Unix has the first, Windows the second, without which it changes line ends."""
SEEKING = Lock()


def read_at(descriptor: int, into: memoryview, offset: int) -> int:
    """Reads bytes from `offset` on, without the descriptor's position where the system can; how many."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [into], offset)
    with SEEKING:  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        found = os.read(descriptor, len(into))
    into[: len(found)] = found
    return len(found)


class Bytes(Protocol):
    """Where the bytes of a tensor stand."""

    def read(self, start: int, stop: int) -> Tensor:
        """uint8 [stop - start]."""
        ...


class OpenTensorFile:
    """Open for reading as long as anyone holds it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        weakref.finalize(self, os.close, self.descriptor)


@dataclass(frozen=True)
class InFile:
    """From `offset` on in an open file. Several threads may read at once."""

    file: OpenTensorFile
    offset: int

    def read(self, start: int, stop: int) -> Tensor:
        buffer = torch.empty(stop - start, dtype=torch.uint8)
        view, done = memoryview(buffer.numpy()), 0  # type: ignore[arg-type]
        while done < len(view):
            read = read_at(self.file.descriptor, view[done:], self.offset + start + done)
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

    @classmethod
    def of(cls, tensor: Tensor) -> "Stored":
        """One that is in memory."""
        return cls(tensor.dtype, tuple(tensor.shape), InMemory.of(tensor.detach()))

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
    with reporting_damage(f"{path} is no file of tensors that can be read"):
        is_pickle = path.suffix in (".ckpt", ".pt", ".pth", ".bin")
        return _open_pickle(path) if is_pickle else opened(path, read_header(path))


def opened(path: Path, header: Header) -> TensorFile:
    """A .safetensors file whose header is read already."""
    file = OpenTensorFile(path)
    tensors = {
        name: Stored(DTYPE_OF_NAME[entry.dtype], entry.shape, InFile(file, entry.offset))
        for name, entry in header.tensors.items()
    }
    return TensorFile(path, tensors, header.metadata)


def _open_pickle(path: Path) -> TensorFile:
    content = read_pickled(path, mapped=True)
    content = content.get("state_dict", content)
    pairs = content.items() if isinstance(content, Mapping) else ()
    found = {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, Tensor)}
    if not found:
        raise UserError(
            f"{path} holds no weights by name: it is neither a checkpoint nor a network that changes weights"
            " (an embedding or a hypernetwork cannot be merged; use the file beside the checkpoint)"
        )
    return TensorFile(
        path,
        {name: Stored.of(value) for name, value in found.items()},
        {},
    )
