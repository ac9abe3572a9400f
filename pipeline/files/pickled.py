"""Files of torch.save (.pt, .ckpt) as other tools read and write them.

Reading never runs a stranger's code: torch's `weights_only` unpickler makes tensors, containers, numbers and
text, and refuses all else. The checkpoints of Stable Diffusion's first years name a class of Lightning's
beside their weights (AUTOMATIC1111 modules/safe.py lets it pass too); an empty one stands for it.

Writing leaves out the records that newer versions of torch add to the archive: AUTOMATIC1111
(modules/safe.py) accepts a file only if its archive holds data.pkl, data/<number> and version.
"""

import io
import pickle
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.files.atomic import write_bytes
from pipeline.files.damage import damage_told, reason_of

PICKLED = (".pt", ".bin")
"""Suffixes of such files."""
FOLDER = "archive"
RECORDS = ("data.pkl", "data/", "version")
"""Records that are kept, by the start of their names inside the archive's folder."""
SMALLEST_BOMB = 1 << 26
NO_CLOCK = (1980, 1, 1, 0, 0, 0)


class Inert:
    """Stands for a class that is named in a file and never made."""


NUMBER = np._core.multiarray.scalar  # type: ignore[attr-defined]
HARMLESS = [
    nn.ParameterDict,  # the first embeddings of all hold their tensor in one
    (Inert, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),
    NUMBER, (NUMBER, "numpy.core.multiarray.scalar"), np.dtype, np.dtypes.Float64DType,
]  # fmt: skip
"""What the unpickler may name beyond its own list."""


def read_pickled(path: Path, mapped: bool = False) -> dict[Any, Any]:
    """The file's mapping, on the CPU; `mapped`: tensors stay in the file until they are read. Raises
    UserError for a file that is missing, damaged, of another kind, or holds more than tensors and plain
    values.
    """
    read = unpickled(path, mapped)
    if not isinstance(read, Mapping):
        raise UserError(f"{path} holds a {type(read).__name__}, not a mapping; it is no file of this kind")
    return dict(read)


def unpickled(path: Path, mapped: bool = False) -> object:
    """What the file holds, on the CPU; errors as of `read_pickled`, of any kind."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    kind = path.suffix or ".pt"
    with damage_told(f"{path} is not a readable {kind} file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it would warn of either loads or ends as an error below
        is_archive = zipfile.is_zipfile(path)
        if is_archive:
            _insist_on_its_size(path)
        try:
            with torch.serialization.safe_globals(HARMLESS):
                # Before torch 1.6 the file was no archive, and cannot be mapped.
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and is_archive)
        except pickle.UnpicklingError as error:
            raise UserError(
                f"{path} is no {kind} file of tensors and plain values alone ({reason_of(error)}); what else"
                " it holds could run code, so it is not read: look for it as a .safetensors file"
            ) from error


def _insist_on_its_size(path: Path) -> None:
    """torch stores numbers as they are: what unpacks to many times its bytes is a bomb."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max(SMALLEST_BOMB, 2 * path.stat().st_size):
        raise UserError(f"{path} would unpack to {unpacked} bytes, which no such file does; it is not read")


def write_pickled(path: Path, value: Mapping[Any, Any]) -> None:
    """Writes the file, whole or not at all; equal values give equal bytes."""
    write_bytes(path, pickled(value))


def pickled(value: Mapping[Any, Any] | Tensor) -> bytes:
    """The bytes of a .pt file with this tensor, or mapping of plain values and tensors in this order."""
    saved, plain = io.BytesIO(), io.BytesIO()
    torch.save(_canonical(value), saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as archive:
        for name in source.namelist():
            if name.removeprefix(f"{FOLDER}/").startswith(RECORDS):
                archive.writestr(_entry(name), source.read(name))
    return plain.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Without the clock and the operating system."""
    entry = zipfile.ZipInfo(name, NO_CLOCK)
    entry.create_system = 3
    return entry


def _canonical(value: Any) -> Any:
    """A copy in which equal texts are one object and each tensor owns its bytes: a pickle refers to objects
    that it has seen by number, so identity would show in the bytes.
    """
    match value:
        case Tensor():
            return value.detach().cpu().contiguous().clone()
        case str():
            return sys.intern(value)
        case Mapping():
            kind = OrderedDict if isinstance(value, OrderedDict) else dict
            return kind((_canonical(key), _canonical(item)) for key, item in value.items())
        case list():
            return [_canonical(item) for item in value]
        case tuple():
            return tuple(_canonical(item) for item in value)
        case _:
            return value
