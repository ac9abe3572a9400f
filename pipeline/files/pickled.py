"""Files of torch.save (.pt, .ckpt) as other tools read and write them.

Reading never runs a stranger's code: torch's `weights_only` unpickler makes tensors, containers, numbers and
text, and refuses everything else. Early Stable Diffusion checkpoints also name a class of Lightning
(AUTOMATIC1111 modules/safe.py allows it too); an empty class replaces it.

Writing omits the records that newer versions of torch add to the archive: AUTOMATIC1111 (modules/safe.py)
accepts only archives of data.pkl, data/<number> and version.
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
from pipeline.files.damage import reason_of, reporting_damage

PICKLED = (".pt", ".bin")
"""Suffixes of pickled files."""
ARCHIVE_FOLDER = "archive"
ARCHIVE_RECORDS = ("data.pkl", "data/", "version")
"""Records to keep, by the start of their names inside the archive's folder."""
SMALLEST_BOMB = 1 << 26
NO_CLOCK = (1980, 1, 1, 0, 0, 0)


class Inert:
    """Replaces a class that files name but that is never instantiated."""


NUMPY_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]
HARMLESS = [
    nn.ParameterDict,  # in the oldest embeddings
    (Inert, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),
    NUMPY_SCALAR, (NUMPY_SCALAR, "numpy.core.multiarray.scalar"), np.dtype, np.dtypes.Float64DType,
]  # fmt: skip
"""Names that the unpickler allows in addition to its own list."""


def read_pickled(path: Path, mapped: bool = False) -> dict[Any, Any]:
    """The file's mapping, on the CPU; `mapped`: tensors stay in the file until they are read. Raises
    UserError for a file that is missing, damaged, of another kind, or has more than tensors and plain
    values.
    """
    read = unpickled(path, mapped)
    if not isinstance(read, Mapping):
        raise UserError(f"{path} holds a {type(read).__name__}, not a mapping; name a file of the right kind")
    return dict(read)


def unpickled(path: Path, mapped: bool = False) -> object:
    """The file's content of any type, on the CPU; errors as in `read_pickled`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; correct the path")
    kind = path.suffix or ".pt"
    with reporting_damage(f"{path} is not a readable {kind} file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # either it loads, or an error follows below
        is_archive = zipfile.is_zipfile(path)
        if is_archive:
            _insist_on_its_size(path)
        try:
            with torch.serialization.safe_globals(HARMLESS):
                # Files from before torch 1.6 are not archives and cannot be mapped.
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and is_archive)
        except pickle.UnpicklingError as error:
            raise UserError(
                f"{path} is not a {kind} file of only tensors and plain values ({reason_of(error)}); the"
                " rest could run code, so it is not read: look for a .safetensors version"
            ) from error


def _insist_on_its_size(path: Path) -> None:
    """torch stores numbers uncompressed: a file that unpacks to many times its bytes is a bomb."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max(SMALLEST_BOMB, 2 * path.stat().st_size):
        raise UserError(
            f"{path} would unpack to {unpacked} bytes, far more than its size; it is not read, fetch it again"
        )


def write_pickled(path: Path, value: Mapping[Any, Any]) -> None:
    """Writes the file, whole or not at all; equal values give equal bytes."""
    write_bytes(path, pickled(value))


def pickled(value: Mapping[Any, Any] | Tensor) -> bytes:
    """The bytes of a .pt file with this tensor, or mapping of plain values and tensors in this order."""
    saved, plain = io.BytesIO(), io.BytesIO()
    torch.save(_canonical(value), saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as archive:
        for name in source.namelist():
            if name.removeprefix(f"{ARCHIVE_FOLDER}/").startswith(ARCHIVE_RECORDS):
                archive.writestr(_entry(name), source.read(name))
    return plain.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Without the clock and the operating system."""
    entry = zipfile.ZipInfo(name, NO_CLOCK)
    entry.create_system = 3
    return entry


def _canonical(value: Any) -> Any:
    """A copy in which equal texts are one object and each tensor owns its bytes: a pickle refers to repeated
    objects by number, so object identity would change the bytes.
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
