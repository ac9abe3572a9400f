"""Locks between processes and machines that share a file system; they end with those who hold them.

filelock locks the open file itself (flock): the kernel ends the lock when the last process that has the file
open closes it or dies. A child that inherits the file keeps the lock when its parent is killed, so a lock is
never released by hand, only by closing its file; `filelock.FileLock` releases it for the child too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def locks(descriptor: int, waits: bool = True) -> bool:
    """Locks an open file until it is closed; False where it does not wait and another has it."""
    from filelock import lock_descriptor  # its import takes longer than many commands that lock nothing

    return lock_descriptor(descriptor, blocking=waits)


@contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Waits for the lock and holds it; a process that inherits the file holds it too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        locks(file.fileno())
        yield file


@contextmanager
def locked_now(path: Path) -> Iterator[bool]:
    """Whether the lock was free; if so, it is held inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        yield locks(file.fileno(), waits=False)
