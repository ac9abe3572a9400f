"""Where a training keeps what it would carry on from: a folder of its own, outside the outputs.

It lies in the store of kept results, under a key of everything that the result follows from (inputs,
settings, packages, the code of the stage), so that no other run takes up a checkpoint; at success it goes.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pipeline.device import leads
from pipeline.errors import UserError
from pipeline.files.atomic import new_file
from pipeline.items import key, store_root

LAST = "last.pt"


class Workplace:
    """`files/` holds the epoch files written so far, the other files are states of the training."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, folder / "files"
        self.files.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Whole or not at all; the one before stays until then."""
        with new_file(self.folder / name) as part:
            torch.save(state, part)

    def load(self, name: str) -> dict[str, Any] | None:
        """None where there is none, or one whose epoch files are gone. Plain values and tensors only: nothing
        is executed.
        """
        path = self.folder / name
        if not path.exists():
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state if {file.name for file in self.files.iterdir()} >= set(state["files"]) else None

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def keep_only(self, names: list[str]) -> None:
        """Removes epoch files that a run which went back has yet to write."""
        for file in self.files.iterdir():
            if file.name not in names:
                file.unlink()


@contextmanager
def workplace(recipe: str, code: str, devices: int) -> Iterator[Workplace]:
    """The run's own place, kept when the run fails; `code`: the hash of the stage's code. A second process
    with the same run at the same time gets another, which goes with it; a run's own further devices share its
    place.
    """
    folder = store_root() / "training" / key(recipe=recipe, code=code)
    folder.mkdir(parents=True, exist_ok=True)
    if not leads():
        yield Workplace(folder)
        return
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if devices > 1:
                raise UserError("this very training is under way already; wait until it has ended") from None
            with _alone(folder) as place:
                yield place
            return
        yield Workplace(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[Workplace]:
    alone = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        yield Workplace(alone)
    finally:
        shutil.rmtree(alone, ignore_errors=True)
