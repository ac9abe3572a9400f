"""Results by content: what was computed once for a picture is never computed again.

A store maps a key (hash of algorithm version, parameters, input bytes, model) to bytes. It lies outside DVC's
outputs, in `.athanor/items` of the main worktree, so that all worktrees share it; `ATHANOR_STORE` puts it
elsewhere. Losing it costs time, nothing else: what was used longest ago goes when it outgrows
`ATHANOR_STORE_GIB` (50 unless set).

A result may be handed out as a hard link, which costs no copy. Each file's time of change is a seal that only
its key gives: who edits such a link in place breaks the seal, and the result is made anew. When it was last
used stands in the time of access.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.atomic import new_file, write_bytes

DEFAULT_GIB = 50.0
STALE_PART_S = 24 * 3600
"""A half-written file of this age belongs to a process that was killed."""


def key(**parts: Any) -> str:
    """SHA-256 of named parts; equal parts give equal keys whatever their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Items:
    """One kind of result."""

    def __init__(self, kind: str) -> None:
        self.folder = store_root() / kind

    def path(self, item_key: str) -> Path:
        return self.folder / item_key[:2] / item_key

    def has(self, item_key: str) -> bool:
        """Whether the result is there, as it was put; it counts as used."""
        path, sealed = self.path(item_key), seal_ns(item_key)
        try:
            if path.stat().st_mtime_ns != sealed:
                return False
            os.utime(path, ns=(time.time_ns(), sealed))
        except FileNotFoundError:
            return False
        return True

    def get(self, item_key: str) -> bytes | None:
        return self.path(item_key).read_bytes() if self.has(item_key) else None

    def put(self, item_key: str, data: bytes) -> bytes:
        global _put_bytes  # noqa: PLW0603
        with new_file(self.path(item_key)) as part:
            part.write_bytes(data)
            os.utime(part, ns=(time.time_ns(), seal_ns(item_key)))
        _put_bytes += len(data)
        return data

    def deliver(self, item_key: str, target: Path) -> None:
        """The result as a file: a hard link where the file system can, else a copy."""
        try:
            os.link(self.path(item_key), target)
        except OSError:
            shutil.copyfile(self.path(item_key), target)


def seal_ns(item_key: str) -> int:
    """The time of change of an item's file, in nanoseconds since 1970: some moment of 2001 to 2004. Two items
    never share it, so that whoever knows a file by inode, length and time (DVC, git) never takes one for
    another.
    """
    return 10**18 + int(hashlib.sha256(item_key.encode()).hexdigest(), 16) % 10**17


_put_bytes = 0
"""By this process."""
GROWN = "grown"
"""File in the store: bytes put since it was last looked through, which takes a while where it is large."""


def trim_if_grown() -> None:
    """At the end of a command: removes what the store holds beyond its limit, once it has grown by a
    hundredth of that.
    """
    if not _put_bytes:
        return
    text = os.environ.get("ATHANOR_STORE_GIB", str(DEFAULT_GIB))
    try:
        limit = round(float(text) * 2**30)
    except ValueError:
        raise UserError(f"ATHANOR_STORE_GIB={text}: must be a number of gibibytes, as 50") from None
    note = store_root() / GROWN
    grown = _put_bytes + (int(note.read_text()) if note.exists() else 0)
    if grown > limit / 100:
        trim(store_root(), limit)
        grown = 0
    write_bytes(note, str(grown).encode())


def trim(root: Path, limit_bytes: int) -> int:
    """Removes what was used longest ago until the store holds at most `limit_bytes`; returns what it holds
    then, in bytes. Half-written files of killed processes go too.
    """
    files = []
    for path in root.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.name.endswith(".part"):
            if time.time() - status.st_mtime > STALE_PART_S:
                path.unlink(missing_ok=True)
        elif path.is_file():
            files.append((status.st_atime_ns, status.st_size, path))
    held = sum(length for _, length, _ in files)
    for _, length, path in sorted(files):
        if held <= limit_bytes:
            break
        path.unlink(missing_ok=True)
        held -= length
    return held


def store_root() -> Path:
    """`ATHANOR_STORE`, or `.athanor/items` beside the repository's .git (a worktree's .git file leads to the
    main one).
    """
    if chosen := os.environ.get("ATHANOR_STORE"):
        return Path(chosen)
    git = Path(".git")
    if git.is_file():
        worktree = Path(git.read_text().removeprefix("gitdir:").strip())
        git = worktree.parent.parent
    return git.resolve().parent / ".athanor" / "items"
