"""Checks where a command writes: never over its inputs, under a name valid on every system, and with a
warning if it replaces a file.
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UserError, warn
from pipeline.files.names import insist_on_plain_name


def claim(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Call before any work: raises UserError if `out` is one of the inputs, by any path, is inside one of
    them, or contains one. Warns if an existing file will be replaced.
    """
    insist_on_plain_name(out.name, f"{option} {out}: its last part")
    insist_apart(out, list(inputs), option)
    if out.is_file():
        warn(f"{out} exists and is replaced")


def insist_apart(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Raises UserError if `out` is or is inside one of the inputs, or is a folder that contains one."""
    for given in inputs:
        insist_outside(out, [given], option)
        if out.is_dir() and _is_below(given, out):
            raise UserError(f"{option} {out} is a folder that contains {given}; choose another name")


def insist_outside(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Raises UserError if `out` is one of the inputs, by any path, or inside one of them."""
    for given in inputs:
        if is_same(out, given):
            raise UserError(f"{option} {out} is {given} itself, which would be lost; choose another name")
        if given.is_dir() and _is_below(out, given):
            raise UserError(f"{option} {out} is inside {given}, which is read; choose a path outside")


def claim_folder(out: Path, inputs: Iterable[Path], marker: str, option: str = "--out") -> None:
    """As `claim`, for a folder that is replaced as a whole: an existing one must be empty or contain the file
    `marker`, which shows that such a command wrote it.
    """
    claim(out, inputs, option)
    if out.is_file():
        raise UserError(f"{option} {out} is a file, but the result is a folder; choose another name")
    if out.is_dir() and any(out.iterdir()):
        if not (out / marker).is_file():
            raise UserError(
                f"{option} {out} is a folder with other contents (no {marker}), which would be lost;"
                " choose a new one"
            )
        warn(f"{out} exists and is replaced")


def is_same(one: Path, other: Path) -> bool:
    """Whether both are the same file or folder, also by links, hard links or another spelling."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one.resolve() == other.resolve()


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
