"""A training's folder of checkpoints, outside the outputs.

It is in the store of kept results, under a key of everything that determines the result (inputs, settings,
packages, the stage's code), so no other run resumes from it. It is removed when the training succeeds.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from pipeline.device import leads
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_file
from pipeline.files.hashing import sha256_of_file
from pipeline.files.locks import locked_now
from pipeline.store.items import key, store_folder
from pipeline.store.seal import to_disk
from pipeline.store.trimming import TRAINING_LOCK, TRAININGS

LAST_STATE = "last.pt"
UNREADABLE_STATE = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, UnpicklingError,
)  # fmt: skip
"""What zipfile and torch raise for damaged files."""


class Damaged(Exception):  # noqa: N818 - a finding about a file, not a fault of the program
    """Why a checkpoint cannot be resumed."""


class RunFolder:
    """`files/` has the epoch files written so far; the other files are training states."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, folder / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self._digests: dict[str, str] = {}

    @property
    def has_state(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return (self.folder / LAST_STATE).exists()

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Atomic, even if the power fails: the old state stays until the new one is on disk."""
        with new_file(self.folder / name) as part:
            torch.save(state, part)
            to_disk(part)

    def load(self, name: str) -> dict[str, Any] | None:
        """None if there is none, or, with a warning, if it is damaged. Loads only plain values and tensors,
        so it executes no code.
        """
        path = self.folder / name
        if not path.exists():
            return None
        try:
            state = _read(path)
            self._check_files(state["files"])
        except Damaged as error:
            warn(f"the checkpoint {path} is not used: {error}")
            return None
        return state

    def digests(self) -> dict[str, str]:
        """SHA-256 of the epoch files by name; reads each once."""
        for file in sorted(self.files.iterdir()):
            if file.name not in self._digests:
                to_disk(file)
                self._digests[file.name] = sha256_of_file(file)
        return dict(self._digests)

    def _check_files(self, digests: dict[str, str]) -> None:
        """Epoch files must be unchanged since the checkpoint."""
        for name, digest in digests.items():
            file = self.files / name
            if not file.is_file():
                raise Damaged(f"{file} is missing")
            if sha256_of_file(file) != digest:
                raise Damaged(f"{file} is damaged")
        self._digests = dict(digests)

    def deliver(self, folder: Path) -> None:
        """Copies the epoch files."""
        for name, digest in self.digests().items():
            shutil.copyfile(self.files / name, folder / name)
            if sha256_of_file(folder / name) != digest:
                raise UserError(
                    f"{self.files / name} was damaged on disk during training; run the same command again"
                )

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def keep_only(self, names: Container[str]) -> None:
        """Removes all other epoch files: after a rollback the run writes them again."""
        self._digests = {name: digest for name, digest in self._digests.items() if name in names}
        for file in self.files.iterdir():
            if file.name not in names:
                file.unlink()


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint. Checks the checksum of each part, which torch.load ignores."""
    try:
        with zipfile.ZipFile(path) as archive:
            if part := archive.testzip():
                raise Damaged(f"its part {part} is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE_STATE as error:
        raise Damaged("it is damaged or cut off") from error
    if not isinstance(state, dict) or not isinstance(state.get("files"), dict):
        raise Damaged("it is not a checkpoint of this program")
    return state


@contextmanager
def run_folder(recipe: str, code: str, devices: int) -> Iterator[RunFolder]:
    """The run's folder, kept if the run fails. `code`: hash of the stage's code. A second process with the
    same run at the same time gets a temporary folder. All devices of a run share one folder.
    """
    folder = store_folder(TRAININGS) / key(recipe=recipe, code=code)
    folder.mkdir(parents=True, exist_ok=True)
    if not leads():
        yield RunFolder(folder)
        return
    with _held(folder) as is_free:
        if not is_free:
            if devices > 1:
                raise UserError("this training is already running; wait until it ends")
            with _alone(folder) as place:
                yield place
            return
        for part in folder.rglob("*.part"):
            part.unlink()  # left by a killed run
        yield RunFolder(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Whether the folder's lock was free; if so, holds it inside. Creates the folder again if another command
    was removing it as unused.
    """
    while True:
        with locked_now(folder / TRAINING_LOCK) as is_free:
            if not is_free or (folder / TRAINING_LOCK).exists():
                yield is_free
                return


@contextmanager
def _alone(folder: Path) -> Iterator[RunFolder]:
    alone = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        with _held(alone):
            yield RunFolder(alone)
    finally:
        shutil.rmtree(alone, ignore_errors=True)
