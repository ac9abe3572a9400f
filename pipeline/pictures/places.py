"""Folders to read, gone through one folder at a time. Hidden folders and what systems leave behind are passed
over.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.files.sorted_rows import SortedRows
from pipeline.pictures.formats import SUFFIXES
from pipeline.pictures.masks import MASKS

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""What systems leave behind without hiding it, in any case."""
NOTES = frozenset({".md", ".dvc"})
"""Of people and of DVC, about the pictures."""


@dataclass(frozen=True)
class Place:
    """A folder to read: where it lies, what the user calls it, and the names that give the concept."""

    root: Path
    shown: str
    parts: tuple[str, ...]
    is_class: bool = False
    told: SortedRows = field(default_factory=SortedRows)
    """(origin, caption) by relative path, of files that were not always here."""


@dataclass(frozen=True)
class Folder:
    """One folder of a place: the names that lead to it, its regular files and, where a folder `masks` in it
    holds the masks of its pictures, that one's pictures; all sorted.
    """

    parts: tuple[str, ...]
    files: list[str]
    masks: list[str]
    holds_masks: bool
    """It is such a folder `masks` itself."""

    @property
    def path(self) -> str:
        return "/".join(self.parts)

    def of(self, name: str) -> str:
        """A file in it, relative to the place."""
        return "/".join((*self.parts, name))


def suffix_of(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES or suffix_of(name) in NOTES


def is_picture(name: str) -> bool:
    return suffix_of(name) in SUFFIXES and not is_hidden(name)


def walk(place: Place, problems: list[str]) -> Iterator[Folder]:
    """Each folder before those in it, sorted. Links that lead out, broken links and special files are
    problems.
    """
    waiting: list[tuple[tuple[str, ...], bool]] = [((), False)]
    while waiting:
        parts, holds_masks = waiting.pop()
        files, folders = _listed(place, parts, problems)
        # A folder of this name that stands alone is a folder of pictures.
        with_masks = MASKS in folders and any(map(is_picture, files))
        beside = _listed(place, (*parts, MASKS), [])[0] if with_masks else []
        waiting += [((*parts, name), with_masks and name == MASKS) for name in reversed(folders)]
        yield Folder(parts, files, [name for name in beside if is_picture(name)], holds_masks)


def _listed(place: Place, parts: tuple[str, ...], problems: list[str]) -> tuple[list[str], list[str]]:
    """Names of files and of folders."""
    files, folders, wrong = list[str](), list[str](), list[str]()
    allowed = (place.root.resolve(), Path(".dvc/cache").resolve())
    path = place.root.joinpath(*parts)
    try:
        entries = os.scandir(path)
    except OSError as error:
        problems.append(f"{shown('/'.join((place.shown, *parts)))}: cannot be read ({error.strerror})")
        return [], []
    with entries:
        for entry in entries:
            is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
            if is_folder and (entry.name.startswith(".") or entry.name.lower() in SYSTEM_FILES):
                continue
            if fault := _fault(entry, is_folder, allowed):
                wrong.append(f"{shown('/'.join((place.shown, *parts, entry.name)))}: {fault}")
            else:
                (folders if is_folder else files).append(entry.name)
    problems += sorted(wrong)
    return sorted(files), sorted(folders)


def _fault(entry: os.DirEntry[str], is_folder: bool, allowed: tuple[Path, ...]) -> str | None:
    if entry.is_symlink():
        target = Path(os.path.realpath(entry.path))
        if not any(target.is_relative_to(root) for root in allowed):
            return "a link out of the source; put the file itself there"
        return None if os.path.isfile(target) else "a link to no file; put the file itself there"
    if not is_folder and not entry.is_file():
        return "neither a file nor a folder; delete it"
    return None


def shown(name: str) -> str:
    """A name as a terminal can show it."""
    return name.encode("utf-8", "backslashreplace").decode()
