"""Reads files of a commit from git, DVC's cache or a remote, without a checkout."""

from functools import cache
from typing import Any


def read_committed(revision: str | None, path: str, root: str = ".") -> bytes:
    """A tracked file at `revision`, None for the working tree; FileNotFoundError if neither git nor the cache
    nor a remote has it.
    """
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    try:
        data: bytes = _files(revision, root).read_bytes(path)
    except (DvcException, DataIndexDirError, OSError) as error:
        raise FileNotFoundError(path) from error
    return data


def names_in(revision: str | None, folder: str, root: str = ".") -> list[str]:
    """Paths of the files directly in a folder, sorted; empty if the folder does not exist."""
    try:
        return sorted(_files(revision, root).ls(folder, detail=False))
    except FileNotFoundError:
        return []


@cache
def _files(revision: str | None, root: str) -> Any:
    from dvc.api import DVCFileSystem

    return DVCFileSystem(root, rev=revision)
