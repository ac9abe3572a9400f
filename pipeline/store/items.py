"""Results by content: what was computed once for a picture is never computed again.

A store maps a key (hash of algorithm version, parameters, input bytes, model) to bytes. It lies outside DVC's
outputs, in `.athanor/items` of the main worktree, so that all worktrees share it; `ATHANOR_STORE` puts it
elsewhere. Losing it costs time, nothing else: what was used longest ago goes when it outgrows
`ATHANOR_STORE_GIB` (50 unless set).

A result may be handed out as a hard link, which costs no copy. Each carries a seal (pipeline/store/seal.py)
that only its key and its content give: what was edited in place, was cut or has rotted counts as absent, so
it is made anew. The time of access says when it was last used.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.atomic import new_file, new_folder, write_bytes
from pipeline.files.hashing import sha256_of_bytes
from pipeline.number_text import NumberError, real_number
from pipeline.store.seal import is_sealed, seal, seal_ns
from pipeline.store.trimming import trim
from pipeline.store.users import register

DEFAULT_GIB, MOST_GIB = 50.0, 1e9


def key(**parts: Any) -> str:
    """SHA-256 of named parts; equal parts give equal keys whatever their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Items:
    """One kind of result."""

    def __init__(self, kind: str) -> None:
        self.folder = store_folder(kind)

    def path(self, item_key: str) -> Path:
        return self.folder / item_key[:2] / item_key

    def has(self, item_key: str) -> bool:
        """Whether the result is there, as it was put; it counts as used."""
        path = self.path(item_key)
        return is_sealed(path, item_key) and _used(path)

    def get(self, item_key: str) -> bytes | None:
        """The result; None where there is none, or one that is not as it was put."""
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
        """A result that was there when this command began."""
        if (data := self.get(item_key)) is None:
            raise UserError(
                f"{self.path(item_key)}: this kept result was damaged or removed while the"
                " command ran; run the same command again, which makes it anew"
            )
        return data

    def put(self, item_key: str, data: bytes) -> bytes:
        with self.new(item_key) as part:
            part.write_bytes(data)
        return data

    @contextmanager
    def new(self, item_key: str, *, folder: bool = False) -> Iterator[Path]:
        """A path to write the result to, as a file or a folder of files; kept on success."""
        global _put_bytes  # noqa: PLW0603
        path = self.path(item_key)
        _clear(path)
        with new_folder(path) if folder else new_file(path) as part:
            yield part
            seal(part, item_key)
            _put_bytes += _length(part)

    def deliver(self, item_key: str, target: Path) -> None:
        """The result as a file: a hard link where the file system can, else a copy."""
        try:
            os.link(self.path(item_key), target)
        except OSError:
            shutil.copyfile(self.path(item_key), target)


def _used(path: Path) -> bool:
    """Notes that it was used; always true. In a store of several people, files of others keep their time."""
    for file in path.iterdir() if path.is_dir() else (path,):
        with suppress(OSError):
            os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
    return True


def _clear(path: Path) -> None:
    """Removes what no file can replace."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def _length(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files)


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
    raise UserError(f"ATHANOR_STORE_GIB={text}: must be a number of gibibytes, as 50")


def _noted(note: Path) -> int:
    """0 where there is no note, or a damaged one."""
    try:
        return max(0, int(note.read_text()))
    except (OSError, ValueError):
        return 0


def store_folder(kind: str) -> Path:
    """The store's folder for results of the kind, which is there and used from now on; a place that can hold
    none is a user error.
    """
    root = store_root()
    try:
        register(root)
        (root / kind).mkdir(exist_ok=True)
    except OSError as error:
        named = f"ATHANOR_STORE={root}" if os.environ.get("ATHANOR_STORE") else str(root)
        raise UserError(
            f"{named}: results cannot be kept there ({error.filename}: {error.strerror}); set"
            " ATHANOR_STORE to a folder that can be written, which need not be there"
        ) from None
    return root / kind


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
