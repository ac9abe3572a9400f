"""Hashes of large files, cached by inode, size, mtime and ctime, as git and DVC do.

A hash takes seconds. A file changed so recently that a further change could hide within the clock's
resolution is not cached.
"""

import time
from pathlib import Path

from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.store.items import Items, key

LARGE_BYTES = 1 << 24
"""Smaller files are read as fast as a lookup."""
GRAIN_NS = 2 * 10**9
"""The coarsest clock of a file system in use (FAT's)."""


def sha256_of_model(path: str | Path) -> str | None:
    """As sha256_of_tree: of a file's bytes, or of a folder's names and bytes; None if the path does not
    exist.
    """
    return sha256_of_tree(path, of_file=_known)


def _known(file: Path) -> str:
    state = _state(file)
    if state["length"] < LARGE_BYTES:
        return sha256_of_file(file)
    items = Items("hashes")
    if known := items.get(key(**state)):
        return known.decode()
    digest = sha256_of_file(file)
    changed_ns = max(state["mtime_ns"], state["ctime_ns"])
    if _state(file) == state and time.time_ns() - changed_ns > GRAIN_NS:
        items.put(key(**state), digest.encode())
    return digest


def _state(file: Path) -> dict[str, int]:
    status = file.stat()
    return {
        "device": status.st_dev,
        "inode": status.st_ino,
        "length": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }
