"""Which commands use the store of kept results at this moment, and since when.

Each command holds a lock on a file of its own in `users/`; the lock ends with the command, however that ends.
What a running command has used since it began must not be removed by another.
"""

import atexit
import math
import os
from pathlib import Path
from threading import Lock

from pipeline.files.locks import locks

USERS = "users"
"""Folder in the store."""

_own: tuple[Path, int] | None = None
"""This process's file, and its open handle."""
_one_at_a_time = Lock()


def register(store: Path) -> None:
    """This process uses the store from now on, until it ends or uses another store."""
    with _one_at_a_time:
        if not (_own and _own[0].parent == store / USERS and _own[0].exists()):
            _leave()
            _enter(store)


def _enter(store: Path) -> None:
    global _own  # noqa: PLW0603
    (store / USERS).mkdir(parents=True, exist_ok=True)
    file = store / USERS / f"{os.uname().nodename}-{os.getpid()}"
    part = file.with_name(f".{file.name}.part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
    locks(handle)
    os.utime(part)
    os.replace(part, file)  # locked before it can be seen
    _own = file, handle


@atexit.register
def _leave() -> None:
    global _own  # noqa: PLW0603
    if _own:
        file, handle = _own
        if file.name.endswith(f"-{os.getpid()}"):  # a forked child leaves its parent's alone
            file.unlink(missing_ok=True)
        os.close(handle)
    _own = None


def earliest_start_ns(store: Path) -> float:
    """When the first of the other commands that run began to use the store, in nanoseconds since 1970;
    infinite where none runs.
    """
    starts = [
        file.stat().st_mtime_ns
        for file in (store / USERS).glob("*")
        if not (_own and file == _own[0]) and _is_held(file)
    ]
    return min(starts, default=math.inf)


def _is_held(file: Path) -> bool:
    """Whether its command still runs; the file of one that was killed goes."""
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        if not locks(handle, waits=False):
            return True
        file.unlink(missing_ok=True)
        return False
    finally:
        os.close(handle)
