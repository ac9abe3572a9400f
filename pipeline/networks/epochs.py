"""A training's network files by epoch, and how users name them: `all`, epochs and ranges of them, names,
paths, patterns. Without torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.config.ranges import wholes
from pipeline.errors import UserError, near
from pipeline.printable import printable

SUFFIX = ".safetensors"


def epoch_files(folder: Path) -> dict[int, Path]:
    """`<name>-<epoch>.safetensors` files by epoch, in order."""
    files = sorted(folder.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return {int(file.stem.rpartition("-")[2]): file for file in files}


def network_files(names: Sequence[str], epochs: Mapping[int, Path], folder: Path) -> list[Path]:
    """The files, each once, in the requested order. `epochs`: the training's files, which are in `folder`.
    Raises UserError for all names without a file.
    """
    problems: list[str] = []
    files: dict[Path, None] = {}
    for name in names:
        try:
            files |= dict.fromkeys(_named(name, epochs, folder))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return list(files)


def network_file(name: str, epochs: Mapping[int, Path], folder: Path) -> Path:
    """The only file of this name. Raises UserError if there are several."""
    files = network_files([name], epochs, folder)
    if len(files) > 1:
        raise UserError(
            f"sample_grid.network {name!r} names {len(files)} files; name one, or make it an axis"
        )
    return files[0]


def _named(name: str, epochs: Mapping[int, Path], folder: Path) -> list[Path]:
    if name in ("all", "last") and not epochs:
        raise UserError(f"{folder} holds no epoch's file; run `dvc repro train`")
    if name == "all":
        return list(epochs.values())
    if name == "last":
        return [epochs[max(epochs)]]
    if name[0].isdecimal() and Path(name).suffix != SUFFIX and (numbers := _epochs(name)):
        if absent := [number for number in numbers if number not in epochs]:
            raise UserError(
                f"epoch {', '.join(map(str, absent))}: no such file in {folder}; there are"
                f" {', '.join(map(str, epochs)) or 'none'}"
            )
        return [epochs[number] for number in numbers]
    return _paths(name, folder)


def _epochs(name: str) -> list[int]:
    """The numbers in `name`; none if it is a name that begins with a digit."""
    try:
        return wholes(name)
    except UserError:
        return []


def _paths(name: str, folder: Path) -> list[Path]:
    """Names of strangers' files go into pictures and pages: one that cannot be printed is a user error."""
    files = _matches(name, folder)
    if hidden := [file for file in files if printable(file.name) != file.name]:
        raise UserError(
            f"{printable(str(hidden[0]))}: this file's name has characters that no page can show, or that"
            " hide others; rename it"
        )
    return files


def _matches(name: str, folder: Path) -> list[Path]:
    for place in (Path(), folder):
        if any(character in name for character in "*?[") and (matches := sorted(place.glob(name))):
            return matches
        for file in (place / name, place / f"{name}{SUFFIX}"):
            if file.is_file():
                return [file]
    raise UserError(
        f"{name!r} matches no network file, here or in {folder}"
        f"{near(name, [file.stem for file in folder.glob(f'*{SUFFIX}')])}; write `all`, epochs (`5-15 (+5)`),"
        " a name, a path, or a pattern (`*-00001*`)"
    )
