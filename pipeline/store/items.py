"""Results by content: nothing is computed twice for the same picture.

The store maps a key (hash of algorithm version, parameters, input bytes, model) to bytes. It is outside DVC's
outputs, in `.athanor/items` of the main worktree, so that all worktrees share it; `ATHANOR_STORE` moves it.
Losing it only costs time. Above `ATHANOR_STORE_GIB` (default 50) the least recently used results are removed.

Results can be delivered as hard links, without a copy. Each has a seal (pipeline/store/seal.py) that follows
from its key and content: an edited, truncated or corrupt result counts as missing and is made again. The
access time records the last use.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.atomic import new_file, new_folder, write_bytes
from pipeline.files.hashing import sha256_of_bytes
from pipeline.number_text import NumberError, real_number
from pipeline.same_bytes import arithmetic
from pipeline.store.seal import is_sealed, seal, seal_ns
from pipeline.store.trimming import trim
from pipeline.store.users import register

DEFAULT_GIB, MOST_GIB = 50.0, 1e9


def key(**parts: Any) -> str:
    """SHA-256 of named parts, independent of their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def computed_key(**parts: Any) -> str:
    """Like `key`, for results of torch, whose last bits follow from the arithmetic (`same_bytes`)."""
    return key(**parts, **arithmetic())


class Items:
    """Results of one kind."""

    def __init__(self, kind: str) -> None:
        self.folder = store_folder(kind)

    def path(self, item_key: str) -> Path:
        return self.folder / item_key[:2] / item_key

    def has(self, item_key: str) -> bool:
        """Whether the intact result exists; marks it as used."""
        path = self.path(item_key)
        return is_sealed(path, item_key) and _used(path)

    def get(self, item_key: str) -> bytes | None:
        """The result; None if missing or changed."""
        path = self.path(item_key)
        try:
            data, changed_ns = path.read_bytes(), path.stat().st_mtime_ns
        except OSError:
            return None
        if changed_ns != seal_ns(item_key, sha256_of_bytes(data)):
            return None
        _used(path)
        return data

    def read(self, item_key: str) -> bytes:
        """A result that existed when this command began."""
        if (data := self.get(item_key)) is None:
            raise UserError(
                f"{self.path(item_key)}: this stored result was damaged or removed while the"
                " command ran; rerun the command to make it again"
            )
        return data

    def put(self, item_key: str, data: bytes) -> bytes:
        with self.new(item_key) as part:
            part.write_bytes(data)
        return data

    def json(self, item_key: str, make: Callable[[], Any]) -> Any:
        """The result as JSON has it; `make` is called if it is missing."""
        kept = self.get(item_key) or self.put(item_key, json.dumps(make(), sort_keys=True).encode())
        return json.loads(kept)

    @contextmanager
    def new(self, item_key: str, *, folder: bool = False) -> Iterator[Path]:
        """A path for the new result, a file or a folder; stored on success."""
        global _put_bytes  # noqa: PLW0603
        path = self.path(item_key)
        _clear(path)
        with new_folder(path) if folder else new_file(path) as part:
            yield part
            seal(part, item_key)
            _put_bytes += _length(part)

    def deliver(self, item_key: str, target: Path) -> None:
        """Puts the result at `target`: as a hard link if possible, else as a copy."""
        try:
            os.link(self.path(item_key), target)
        except OSError:
            shutil.copyfile(self.path(item_key), target)


def _used(path: Path) -> bool:
    """Updates the access time; always true. Files of other users of a shared store keep theirs."""
    for file in path.iterdir() if path.is_dir() else (path,):
        with suppress(OSError):
            os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
    return True


def _clear(path: Path) -> None:
    """Removes a folder, which a file cannot replace."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def _length(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files)


_put_bytes = 0
"""By this process."""
GROWN = "grown"
"""File in the store: bytes added since the last trim, which takes long in a large store."""


def trim_if_grown() -> None:
    """At the end of a command: trims the store to its limit, once it has grown by a hundredth of that."""
    if not _put_bytes:
        return
    limit = _limit_bytes()
    note = store_root() / GROWN
    grown = _put_bytes + _noted(note)
    if grown > limit / 100:
        trim(store_root(), limit)
        grown = 0
    write_bytes(note, str(grown).encode())


def _limit_bytes() -> int:
    text = os.environ.get("ATHANOR_STORE_GIB", str(DEFAULT_GIB))
    with suppress(NumberError):
        return round(real_number(text.strip(), 0, MOST_GIB) * 2**30)
    raise UserError(f"ATHANOR_STORE_GIB={text}: must be a number of gibibytes, such as 50")


def _noted(note: Path) -> int:
    """0 if the note is missing or damaged."""
    try:
        return max(0, int(note.read_text()))
    except (OSError, ValueError):
        return 0


def store_folder(kind: str) -> Path:
    """The store's folder for results of this kind, created and marked as in use; a user error if it cannot be
    written.
    """
    root = store_root()
    try:
        register(root)
        (root / kind).mkdir(exist_ok=True)
    except OSError as error:
        named = f"ATHANOR_STORE={root}" if os.environ.get("ATHANOR_STORE") else str(root)
        raise UserError(
            f"{named}: results cannot be stored there ({error.filename}: {error.strerror}); set"
            " ATHANOR_STORE to a writable folder, new or existing"
        ) from None
    return root / kind


def store_root() -> Path:
    """`ATHANOR_STORE`, or `.athanor/items` next to the repository's .git (a worktree's .git file points to
    the main one).
    """
    if chosen := os.environ.get("ATHANOR_STORE"):
        return Path(chosen)
    git = Path(".git")
    if git.is_file():
        worktree = Path(git.read_text().removeprefix("gitdir:").strip())
        git = worktree.parent.parent
    return git.resolve().parent / ".athanor" / "items"
