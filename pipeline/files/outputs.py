"""Where a command may write: never over what it reads, under a name that every system can hold, and not in
silence over what is there.
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UserError, warn
from pipeline.files.names import insist_on_plain_name


def claim(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Before any work: raises UserError where `out` is one of the inputs, by whatever path, or lies in a
    folder of theirs, or holds one of them. A file that is there already is replaced, which is said.
    """
    insist_on_plain_name(out.name, f"{option} {out}: its last part")
    insist_apart(out, list(inputs), option)
    if out.is_file():
        warn(f"{out} is there already and is replaced")


def insist_apart(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Raises UserError where `out` is or lies in one of the inputs, or is a folder that holds one."""
    for given in inputs:
        insist_outside(out, [given], option)
        if out.is_dir() and _is_below(given, out):
            raise UserError(f"{option} {out} is a folder that holds {given}; choose another name")


def insist_outside(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Raises UserError where `out` is one of the inputs, by whatever path, or lies in a folder of theirs."""
    for given in inputs:
        if is_same(out, given):
            raise UserError(f"{option} {out} is {given} itself, which would be lost; choose another name")
        if given.is_dir() and _is_below(out, given):
            raise UserError(f"{option} {out} lies in {given}, which is read; choose a place outside")


def claim_folder(out: Path, inputs: Iterable[Path], marker: str, option: str = "--out") -> None:
    """As `claim`, for a folder that is replaced as a whole: one that is there must be empty or hold the file
    `marker`, by which it is known as one that such a command wrote.
    """
    claim(out, inputs, option)
    if out.is_file():
        raise UserError(f"{option} {out} is a file, and the result is a folder; choose another name")
    if out.is_dir() and any(out.iterdir()):
        if not (out / marker).is_file():
            raise UserError(
                f"{option} {out} is a folder with other things in it (no {marker}), which would be lost;"
                " choose a new one"
            )
        warn(f"{out} is there already and is replaced")


def is_same(one: Path, other: Path) -> bool:
    """One file or folder, be it through links, hard links or another spelling."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return one.resolve() == other.resolve()


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
