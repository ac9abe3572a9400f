"""Walks source folders, one folder at a time. Skips hidden folders and system files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.files.sorted_rows import SortedRows
from pipeline.pictures.formats import PICTURE_FILE_SUFFIXES
from pipeline.pictures.masks import MASK_FOLDER

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""System files that are not hidden; case is ignored."""
NOTE_SUFFIXES = frozenset({".md", ".dvc"})
"""Suffixes of notes about the pictures, by people and DVC."""


@dataclass(frozen=True)
class SourceFolder:
    """A folder to read: its path, its name for the user, and the folder names that give the concept."""

    root: Path
    shown: str
    parts: tuple[str, ...]
    is_class: bool = False
    origins: SortedRows = field(default_factory=SortedRows)
    """(origin, caption) by relative path, of downloaded or unpacked files."""


@dataclass(frozen=True)
class Folder:
    """One folder of a place: its relative path, its files, and the pictures in its folder `masks`, if that
    holds the masks of its pictures; all sorted.
    """

    parts: tuple[str, ...]
    files: list[str]
    masks: list[str]
    holds_masks: bool
    """The folder itself is such a folder `masks`."""

    @property
    def path(self) -> str:
        return "/".join(self.parts)

    def of(self, name: str) -> str:
        """Path of one of its files, relative to the place."""
        return "/".join((*self.parts, name))


def suffix_of(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES or suffix_of(name) in NOTE_SUFFIXES


def is_picture(name: str) -> bool:
    return suffix_of(name) in PICTURE_FILE_SUFFIXES and not is_hidden(name)


def walk(place: SourceFolder, problems: list[str]) -> Iterator[Folder]:
    """Each folder before its subfolders, sorted. Links out of the source, broken links and special files are
    problems.
    """
    waiting: list[tuple[tuple[str, ...], bool]] = [((), False)]
    while waiting:
        parts, holds_masks = waiting.pop()
        files, folders = _listed(place, parts, problems)
        # Without pictures next to it, a folder of this name holds pictures.
        with_masks = MASK_FOLDER in folders and any(map(is_picture, files))
        in_masks = _listed(place, (*parts, MASK_FOLDER), [])[0] if with_masks else []
        waiting += [((*parts, name), with_masks and name == MASK_FOLDER) for name in reversed(folders)]
        yield Folder(parts, files, [name for name in in_masks if is_picture(name)], holds_masks)


def _listed(place: SourceFolder, parts: tuple[str, ...], problems: list[str]) -> tuple[list[str], list[str]]:
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
        return None if os.path.isfile(target) else "a link to a missing file; put the file itself there"
    if not is_folder and not entry.is_file():
        return "neither a file nor a folder; delete it"
    return None


def shown(name: str) -> str:
    """A name as a terminal can show it."""
    return name.encode("utf-8", "backslashreplace").decode()
