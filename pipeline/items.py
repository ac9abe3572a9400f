"""Results by content: what was computed once for a picture is never computed again.

A store maps a key (hash of algorithm version, parameters, input bytes, model) to bytes. It lies outside DVC's
outputs, in `.athanor/items` of the main worktree, so that all worktrees share it; `ATHANOR_STORE` puts it
elsewhere. Losing it costs time, nothing else.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pipeline.files.atomic import write_bytes


def key(**parts: Any) -> str:
    """SHA-256 of named parts; equal parts give equal keys whatever their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Items:
    """One kind of result."""

    def __init__(self, kind: str) -> None:
        self.folder = store_root() / kind

    def path(self, item_key: str) -> Path:
        return self.folder / item_key[:2] / item_key

    def get(self, item_key: str) -> bytes | None:
        try:
            return self.path(item_key).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, item_key: str, data: bytes) -> bytes:
        write_bytes(self.path(item_key), data)
        return data


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
