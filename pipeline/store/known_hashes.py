"""Hashes of large files, which take seconds each, told again without reading where a file is as it was.

A file is known by its inode, length and both its times, as git and DVC know theirs. One that was changed so
lately that a further change could go unseen within the clock's grain is read again the next time.
"""

import time
from pathlib import Path

from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.store.items import Items, key

LARGE_BYTES = 1 << 24
"""Smaller files are read as fast as they are looked up."""
GRAIN_NS = 2 * 10**9
"""The coarsest clock of a file system in use (FAT's)."""


def sha256_of_model(path: str | Path) -> str | None:
    """As sha256_of_tree: of a file's bytes, or of a folder's names and bytes; None where there is none."""
    return sha256_of_tree(path, of_file=_known)


def _known(file: Path) -> str:
    state = _state(file)
    if state["length"] < LARGE_BYTES:
        return sha256_of_file(file)
    items = Items("hashes")
    if known := items.get(key(**state)):
        return known.decode()
    found = sha256_of_file(file)
    changed_ns = max(state["mtime_ns"], state["ctime_ns"])
    if _state(file) == state and time.time_ns() - changed_ns > GRAIN_NS:
        items.put(key(**state), found.encode())
    return found


def _state(file: Path) -> dict[str, int]:
    status = file.stat()
    return {
        "device": status.st_dev,
        "inode": status.st_ino,
        "length": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }
