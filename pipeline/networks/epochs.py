"""The network files that a training wrote by epoch, and as users name them: `all`, epochs and ranges of them,
names, paths, patterns. No torch here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.config.ranges import wholes
from pipeline.errors import UserError, near

SUFFIX = ".safetensors"


def epoch_files(folder: Path) -> dict[int, Path]:
    """`<name>-<epoch>.safetensors` files by epoch, in order."""
    files = sorted(folder.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return {int(file.stem.rpartition("-")[2]): file for file in files}


def network_files(wanted: Sequence[str], epochs: Mapping[int, Path], folder: Path) -> list[Path]:
    """The files, each once, in the order asked for. `epochs`: those of the training, which lie in `folder`.
    What names nothing is a user error, all at once.
    """
    problems: list[str] = []
    found: dict[Path, None] = {}
    for name in wanted:
        try:
            found |= dict.fromkeys(_named(name, epochs, folder))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return list(found)


def network_file(wanted: str, epochs: Mapping[int, Path], folder: Path) -> Path:
    """The one file that is meant; several are a user error."""
    found = network_files([wanted], epochs, folder)
    if len(found) > 1:
        raise UserError(
            f"sample_grid.network {wanted!r} names {len(found)} files; name one, or make it an axis"
        )
    return found[0]


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
    """The numbers that `name` holds; none where it is a name that begins with a digit."""
    try:
        return wholes(name)
    except UserError:
        return []


def _paths(name: str, folder: Path) -> list[Path]:
    for place in (Path(), folder):
        if any(character in name for character in "*?[") and (matches := sorted(place.glob(name))):
            return matches
        for file in (place / name, place / f"{name}{SUFFIX}"):
            if file.is_file():
                return [file]
    raise UserError(
        f"{name!r} names no network file, here or in {folder}"
        f"{near(name, [file.stem for file in folder.glob(f'*{SUFFIX}')])}; write `all`, epochs (`5-15 (+5)`),"
        " a name, a path, or a pattern (`*-00001*`)"
    )
