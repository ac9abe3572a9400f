"""Which running commands use the store, and since when.

Each command holds a lock on its own file in `users/`, which ends with the command, however that ends. Other
commands must not remove what a running command has used since it started.
"""

import atexit
import math
import os
import platform
from pathlib import Path
from threading import Lock

from pipeline.files.locks import locks

USERS = "users"
"""Folder in the store."""

_own: tuple[Path, int] | None = None
"""This process's file, and its open handle."""
_one_at_a_time = Lock()


def register(store: Path) -> None:
    """Registers this process as a user of the store, until it ends or uses another store."""
    with _one_at_a_time:
        if not (_own and _own[0].parent == store / USERS and _own[0].exists()):
            _leave()
            _enter(store)


def _enter(store: Path) -> None:
    global _own  # noqa: PLW0603
    (store / USERS).mkdir(parents=True, exist_ok=True)
    file = store / USERS / f"{platform.node()}-{os.getpid()}"
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
        if file.name.endswith(f"-{os.getpid()}"):  # a forked child keeps its parent's file
            file.unlink(missing_ok=True)
        os.close(handle)
    _own = None


def earliest_start_ns(store: Path) -> float:
    """Earliest start of the other running commands, in nanoseconds since 1970; infinite if none runs."""
    starts = [
        file.stat().st_mtime_ns
        for file in (store / USERS).glob("*")
        if not (_own and file == _own[0]) and _is_held(file)
    ]
    return min(starts, default=math.inf)


def _is_held(file: Path) -> bool:
    """Whether its command still runs; removes the file of a killed one."""
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
