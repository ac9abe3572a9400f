"""Seals: show whether a file or folder still has its original bytes.

A seal is an mtime derived from name and content: an edit in place changes the mtime, and corrupt bytes no
longer match it. It needs no second file, so a sealed file can be delivered as a hard link.
"""

import hashlib
import os
import time
from pathlib import Path

from pipeline.files.hashing import sha256_of_tree


def seal_ns(name: str, digest: str) -> int:
    """Nanoseconds since 1970: a moment in 2001 to 2004, different for each name and content, so that DVC and
    git, which identify a file by inode, size and mtime, never confuse two.
    """
    return 10**18 + int(hashlib.sha256(f"{name}\0{digest}".encode()).hexdigest(), 16) % 10**17


def seal(path: Path, name: str) -> None:
    """Seals a file or folder after a flush: a power cut must not leave a sealed empty file."""
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file():
            to_disk(file)
    digest = sha256_of_tree(path)
    assert digest is not None
    os.utime(path, ns=(time.time_ns(), seal_ns(name, digest)))


def is_sealed(path: Path, name: str) -> bool:
    """Whether the content matches the seal; False if unreadable."""
    try:
        digest = sha256_of_tree(path)
        return digest is not None and path.stat().st_mtime_ns == seal_ns(name, digest)
    except OSError:
        return False


def to_disk(path: Path) -> None:
    """Waits until a file's bytes are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
