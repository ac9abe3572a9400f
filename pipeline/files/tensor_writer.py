"""Writes a .safetensors file piece by piece: shapes first, then numbers in any order.

The bytes equal those of `write_safetensors`. The file is complete or absent: a temporary file is renamed when
done. Writing the same file again removes temporary files of killed processes.
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

TensorSpecs = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]


@dataclass(frozen=True)
class TensorWriter:
    """Thread-safe."""

    descriptor: int
    starts: Mapping[str, int]

    def write(self, name: str, numbers: Tensor, start: int = 0) -> None:
        """Writes `numbers` at index `start` of the flattened tensor."""
        if not numbers.numel():  # some files have an empty tensor as a mark
            return
        view = memoryview(numbers.flatten().view(torch.uint8).numpy())  # type: ignore[arg-type]
        place, done = self.starts[name] + start * numbers.element_size(), 0
        while done < len(view):
            done += os.pwrite(self.descriptor, view[done:], place + done)


@contextmanager
def tensor_writer(path: Path, shapes: TensorSpecs, metadata: Mapping[str, str]) -> Iterator[TensorWriter]:
    """A file with the given tensors, to be filled inside. Too little disk space is a user error, before the
    first byte.
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
        with suppress(OSError):  # some network disks have no locks
            locks(file.fileno())
        file.write(head)
        file.flush()
        os.ftruncate(file.fileno(), place)
        yield TensorWriter(file.fileno(), starts)


def remove_abandoned(path: Path) -> None:
    """Removes temporary files of this file that no process holds: gigabytes left by a killed process."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with part.open("rb") as file, suppress(OSError):  # some network disks have no locks
            if locks(file.fileno(), waits=False):
                part.unlink(missing_ok=True)


@contextmanager
def telling_a_full_disk(path: Path, num_bytes: int) -> Iterator[None]:
    """Turns a full disk or an exceeded quota into a user error."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"{path} needs {num_bytes / 1e9:.2f} GB, but writing failed ({error.strerror}); no partial"
            " file was left: free space or write elsewhere, then rerun the command"
        ) from error


def insist_on_room(path: Path, num_bytes: int) -> None:
    """Creates the folder; too little disk space is a user error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < num_bytes:
        raise UserError(
            f"{path} needs {num_bytes / 1e9:.2f} GB, but {free / 1e9:.2f} GB are free there; free"
            " space or write elsewhere"
        )
