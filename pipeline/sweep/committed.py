"""Files of a commit, whoever keeps them: git, DVC's cache, or a remote. Nothing is checked out."""

from functools import cache
from typing import Any


def read_committed(revision: str | None, path: str, root: str = ".") -> bytes:
    """A tracked file as `revision` has it, None for the working tree; FileNotFoundError where neither git nor
    the cache nor a remote holds it.
    """
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    try:
        data: bytes = _files(revision, root).read_bytes(path)
    except (DvcException, DataIndexDirError, OSError) as error:
        raise FileNotFoundError(path) from error
    return data


def names_in(revision: str | None, folder: str, root: str = ".") -> list[str]:
    """Paths of the files right below a folder, sorted; none where there is no such folder."""
    try:
        return sorted(_files(revision, root).ls(folder, detail=False))
    except FileNotFoundError:
        return []


@cache
def _files(revision: str | None, root: str) -> Any:
    from dvc.api import DVCFileSystem

    return DVCFileSystem(root, rev=revision)
