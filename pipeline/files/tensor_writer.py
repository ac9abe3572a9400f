"""Writes a .safetensors file piece by piece: shapes are known first, numbers come in any order.

The bytes are those of `write_safetensors`. The file is whole or absent: written beside, then renamed. What a
killed process left beside it is removed when the same file is written again.
"""

import errno
import glob
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.atomic import new_file
from pipeline.files.locks import locks
from pipeline.files.safetensors_file import header, ordered

Shapes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]


@dataclass(frozen=True)
class TensorWriter:
    """Several threads may write at once."""

    descriptor: int
    starts: Mapping[str, int]

    def write(self, name: str, numbers: Tensor, start: int = 0) -> None:
        """Puts `numbers` at place `start` of the flattened tensor."""
        if not numbers.numel():  # some files mark themselves by an empty tensor
            return
        view = memoryview(numbers.flatten().view(torch.uint8).numpy())  # type: ignore[arg-type]
        place, done = self.starts[name] + start * numbers.element_size(), 0
        while done < len(view):
            done += os.pwrite(self.descriptor, view[done:], place + done)


@contextmanager
def tensor_writer(path: Path, shapes: Shapes, metadata: Mapping[str, str]) -> Iterator[TensorWriter]:
    """A file with the given tensors, to be filled inside. Too little room is a user error before the first
    byte.
    """
    empty = {name: torch.empty(shape, dtype=dtype, device="meta") for name, (dtype, shape) in shapes.items()}
    head = header(empty, metadata)
    starts, place = {}, len(head)
    for name in ordered(empty):
        starts[name] = place
        dtype, shape = shapes[name]
        place += prod(shape) * dtype.itemsize
    remove_abandoned(path)
    insist_on_room(path, place)
    with telling_a_full_disk(path, place), new_file(path) as part, part.open("wb") as file:
        with suppress(OSError):  # some network disks know no locks
            locks(file.fileno())
        file.write(head)
        file.flush()
        os.ftruncate(file.fileno(), place)
        yield TensorWriter(file.fileno(), starts)


def remove_abandoned(path: Path) -> None:
    """Parts of this file that no process holds any more: gigabytes that a kill left behind."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with part.open("rb") as file, suppress(OSError):  # some network disks know no locks
            if locks(file.fileno(), waits=False):
                part.unlink(missing_ok=True)


@contextmanager
def telling_a_full_disk(path: Path, num_bytes: int) -> Iterator[None]:
    """A disk that fills up, or a quota, inside is a user error."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"{path} needs {num_bytes / 1e9:.2f} GB, and writing it stopped ({error.strerror}); nothing"
            " half-written was left: make room, or write elsewhere, and run the same command again"
        ) from error


def insist_on_room(path: Path, num_bytes: int) -> None:
    """Too little room is a user error; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < num_bytes:
        raise UserError(
            f"{path} needs {num_bytes / 1e9:.2f} GB, {free / 1e9:.2f} GB are free there; make room,"
            " or write elsewhere"
        )
