"""Seals: whether a file or folder still holds the bytes that were put there.

A seal is the time of change, chosen by name and content: an edit in place moves the time; rot, which moves
nothing, no longer fits it. It needs no second file, so a sealed file can be handed out as a hard link.
"""

import hashlib
import os
import time
from pathlib import Path

from pipeline.files.hashing import sha256_of_tree


def seal_ns(name: str, digest: str) -> int:
    """Nanoseconds since 1970: some moment of 2001 to 2004. Two names or two contents never share it, so that
    whoever knows a file by inode, length and time (DVC, git) never takes one for another.
    """
    return 10**18 + int(hashlib.sha256(f"{name}\0{digest}".encode()).hexdigest(), 16) % 10**17


def seal(path: Path, name: str) -> None:
    """Seals a file or folder. Its bytes reach the disk first: a power cut must not leave a seal on an empty
    file.
    """
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file():
            to_disk(file)
    digest = sha256_of_tree(path)
    assert digest is not None
    os.utime(path, ns=(time.time_ns(), seal_ns(name, digest)))


def is_sealed(path: Path, name: str) -> bool:
    """Whether the content is as it was sealed; what cannot be read is not."""
    try:
        digest = sha256_of_tree(path)
        return digest is not None and path.stat().st_mtime_ns == seal_ns(name, digest)
    except OSError:
        return False


def to_disk(path: Path) -> None:
    """Waits until a file's bytes lie on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
