"""Keeps the store within its limit: removes the least recently used entries first.

Nothing in use is removed: neither what another running command has used since it started, nor a running
training, which holds its folder's lock. An entry is removed whole or not at all: a file, a folder of
downloads, a training with its checkpoints and epochs.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.files.locks import locked_now
from pipeline.store.users import USERS, earliest_start_ns

TRAININGS = "training"
"""Folder in the store whose entries are trainings."""
TRAINING_LOCK = "lock"
"""Lock file in a training's folder, held by its process."""
STALE_PART_S = 24 * 3600
"""A partial file of this age belongs to a killed process."""


@dataclass(order=True)
class StoredEntry:
    """A file or folder that is removed as a whole."""

    used_ns: int
    length: int
    path: Path = field(compare=False)


def trim(root: Path, limit_bytes: int) -> int:
    """Removes unused entries, least recently used first, until the store has at most `limit_bytes`; returns
    its bytes. Also removes partial files of killed processes.
    """
    begun_ns = earliest_start_ns(root)
    for part in list(root.rglob("*.part")):
        _remove_stale(part, min(time.time_ns() - STALE_PART_S * 10**9, begun_ns))
    entries = sorted(entry for path in _paths(root) if (entry := _entry(path)))
    held = sum(entry.length for entry in entries)
    for entry in entries:
        if held <= limit_bytes or entry.used_ns >= begun_ns:
            break
        if _remove(entry.path):
            held -= entry.length
    return held


def _remove_stale(part: Path, before_ns: float) -> None:
    try:
        is_stale = part.stat().st_mtime_ns < before_ns
    except FileNotFoundError:
        return
    if is_stale and not _is_under_way(part):
        _discard(part)


def _is_under_way(part: Path) -> bool:
    """Whether it belongs to a running training, which holds a lock."""
    lock = part.parent / TRAINING_LOCK
    if not lock.is_file():
        return False
    with locked_now(lock) as is_free:
        return not is_free


def _paths(root: Path) -> Iterator[Path]:
    """`<kind>/<first two of the key>/<key>`, and `training/<key>`."""
    for kind in root.iterdir():
        if not kind.is_dir() or kind.name == USERS:
            continue
        for path in kind.iterdir():
            inside = path.iterdir() if kind.name != TRAININGS and path.is_dir() else (path,)
            yield from (each for each in inside if not each.name.endswith(".part"))


def _entry(path: Path) -> StoredEntry | None:
    """A file's mtime is its seal, so its access time counts. A folder counts as used when a file in it was
    used or written: listing it changes its own access time.
    """
    try:
        status = path.stat()
        if not path.is_dir():
            return StoredEntry(status.st_atime_ns, status.st_size, path)
        inside = [file.stat() for file in path.rglob("*") if file.is_file()]
    except FileNotFoundError:  # removed by another trim, or a training has ended
        return None
    times = [max(each.st_atime_ns, each.st_mtime_ns) for each in inside]
    return StoredEntry(max(times, default=0), sum(each.st_size for each in inside), path)


def _remove(path: Path) -> bool:
    """Whether it was removed: a running training stays."""
    if path.parent.name != TRAININGS or not path.is_dir():
        _discard(path)
        return True
    with locked_now(path / TRAINING_LOCK) as is_free:
        if not is_free:
            return False
        # Renamed first, so that a training which starts now makes a new folder.
        doomed = path.with_name(f".{path.name}.{os.getpid()}.part")
        os.replace(path, doomed)
    _discard(doomed)
    return True


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
