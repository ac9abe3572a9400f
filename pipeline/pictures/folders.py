"""Pictures and captions of one folder tree. Every file of it is a picture, belongs to one, or is told about;
hidden files and notes alone are passed over.

The nearest folder named `<repeats>_<concept>` above a picture gives its concept; where there is none, the
first folder below the source does, or the source itself. Folders below that are part of the picture's name.
"""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.pictures import metadata_rows, sidecars
from pipeline.pictures.masks import masks_of
from pipeline.pictures.reading import SUFFIXES
from pipeline.pictures.verdicts import Fault

REPEATS_CONCEPT = re.compile(r"^(?P<repeats>[1-9]\d{0,5})_(?P<concept>.+)$")
SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})
"""What systems leave behind without hiding it."""
NOTES = frozenset({".md", ".dvc"})
"""Of people and of DVC, about the pictures."""
MAX_NAME_BYTES = 200
"""Of a picture's name: later stages add suffixes, and a disk ends at 255."""


@dataclass(frozen=True, slots=True)
class Found:
    """A picture file and what is known of it before it is opened. `where` is what the user calls it."""

    path: Path
    where: str
    id: str
    concept: str
    repeats: int
    is_class: bool
    caption: str | None
    origin: dict[str, Any]
    mask: Path | None = None
    """File that says where the picture counts (pipeline/pictures/masks.py)."""

    @property
    def file(self) -> str:
        return f"{self.id}{self.path.suffix}"


@dataclass(frozen=True)
class Place:
    """A folder to read: where it lies, what the user calls it, and the names that give the concept."""

    root: Path
    shown: str
    parts: tuple[str, ...]
    is_class: bool = False
    origins: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """By relative path, where files came from that were not always here."""
    captions: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """Pictures, what is wrong with single files (levels and `drop` apply), and what is wrong with a source
    (always an error).
    """

    pictures: list[Found] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tables: list[PurePosixPath] = field(default_factory=list)
    """Parquet files, which hold pictures themselves."""


def concept_of(parts: Sequence[str], default_repeats: int) -> tuple[str, int, tuple[str, ...]]:
    """Concept, repeats, and the folders below the one that names the concept."""
    for index in range(len(parts) - 1, -1, -1):
        if match := REPEATS_CONCEPT.match(parts[index]):
            return match["concept"], int(match["repeats"]), tuple(parts[index + 1 :])
    index = min(1, len(parts) - 1)
    return parts[index], default_repeats, tuple(parts[index + 1 :])


def read_folder(place: Place, default_repeats: int, columns: Sequence[str]) -> Findings:
    """Everything in the tree, sorted; `columns` as for metadata rows."""
    findings = Findings()
    files = _walk(place, findings.problems)
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES and not _hidden(file)]
    masks, wrong = masks_of(pictures)
    findings.problems.extend(_show(f"{place.shown}/{sentence}") for sentence in wrong)
    pictures = [file for file in pictures if file not in set(masks.values())]
    captions, used = _captions(place, files, pictures, columns, findings.problems)
    for file in pictures:
        concept, repeats, below = concept_of((*place.parts, *file.parent.parts), default_repeats)
        name = unicodedata.normalize("NFC", f"{concept}/{'_'.join([*below, file.stem])}")
        if problem := _unusable(name):
            findings.problems.append(f"{_show(f'{place.shown}/{file}')}: {problem}; rename it")
            continue
        found = Found(
            path=place.root / file,
            where=f"{place.shown}/{file}",
            id=name,
            concept=unicodedata.normalize("NFC", concept),
            repeats=repeats,
            is_class=place.is_class,
            caption=captions.get(file),
            origin=place.origins.get(file.as_posix(), {"source": place.parts[0], "path": file.as_posix()}),
            mask=place.root / masks[file] if file in masks else None,
        )
        findings.pictures.append(found)
    for file in files:
        if not (_hidden(file) or file in used or file.suffix.lower() in SUFFIXES):
            _tell(file, place, findings)
    return findings


def _tell(file: PurePosixPath, place: Place, findings: Findings) -> None:
    """A file that is no picture and belongs to none."""
    where = _show(f"{place.shown}/{file}")
    if file.suffix.lower() == ".parquet":
        findings.tables.append(file)
    elif file.suffix.lower() in (".txt", ".caption"):
        findings.problems.append(
            f"{where}: a caption without a picture; add {_show(file.stem)}.png"
            " (or .jpg ...) beside it, or delete the caption"
        )
    else:
        findings.faults.append(
            Fault("unknown_file", where, "neither a picture that is read nor a caption of one")
        )


def _walk(place: Place, problems: list[str]) -> list[PurePosixPath]:
    """Regular files below the root, sorted. Links that lead out, broken links and special files are
    problems.
    """
    files = []
    real_root = place.root.resolve()
    allowed = (real_root, Path(".dvc/cache").resolve())
    for folder, names, file_names in os.walk(place.root):
        names[:] = sorted(name for name in names if not (name.startswith(".") or name in SYSTEM_FILES))
        for name in [*names, *file_names]:
            path = Path(folder, name)
            where = _show(f"{place.shown}/{path.relative_to(place.root).as_posix()}")
            if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in allowed):
                problems.append(f"{where}: a link out of the source; put the file itself there")
            elif path.is_symlink() and not path.is_file():
                problems.append(f"{where}: a link to no file; put the file itself there")
            elif path.is_file():
                files.append(PurePosixPath(path.relative_to(place.root)))
            elif name in file_names:
                problems.append(f"{where}: neither a file nor a folder; delete it")
    return sorted(files)


def _hidden(file: PurePosixPath) -> bool:
    return file.name.startswith(".") or file.name in SYSTEM_FILES or file.suffix in NOTES


def _captions(
    place: Place,
    files: Sequence[PurePosixPath],
    pictures: Sequence[PurePosixPath],
    columns: Sequence[str],
    problems: list[str],
) -> tuple[dict[PurePosixPath, str | None], set[PurePosixPath]]:
    """Caption by picture, and the files that captions were looked for in."""
    captions, used = _from_tables(place, files, pictures, columns, problems)
    captions |= {PurePosixPath(name): text for name, text in place.captions.items()}
    by_name = {
        _same(file): file for file in files if file.suffix.lower() in sidecars.SUFFIXES and file not in used
    }
    for picture in pictures:
        beside = [picture.parent / name for name in sidecars.names_for(picture.name)]
        there = [by_name[_same(file)] for file in beside if _same(file) in by_name]
        used |= set(there)
        for file in there[:1]:
            if captions.get(picture) is not None:
                problems.append(
                    f"{place.shown}/{picture}: has a caption in {file.name} and in a metadata table;"
                    " delete one"
                )
            try:
                captions[picture] = sidecars.read_caption(place.root / file)
            except sidecars.CaptionError as error:
                problems.append(f"{place.shown}/{file}: {error}")
    return captions, used


def _from_tables(
    place: Place,
    files: Sequence[PurePosixPath],
    pictures: Sequence[PurePosixPath],
    columns: Sequence[str],
    problems: list[str],
) -> tuple[dict[PurePosixPath, str | None], set[PurePosixPath]]:
    """Captions in metadata.jsonl and metadata.csv, and those files."""
    known, captions = set(pictures), dict[PurePosixPath, str | None]()
    tables = [file for file in files if file.name in metadata_rows.NAMES]
    for table in tables:
        try:
            rows = metadata_rows.read_rows(place.root / table, columns)
        except sidecars.CaptionError as error:
            problems.append(f"{place.shown}/{table}: {error}")
            continue
        for name, caption in rows.items():
            picture = table.parent / name
            if picture not in known:
                problems.append(
                    f"{place.shown}/{table}: names {name!r}, which is no picture beside it; mend the row"
                )
            captions[picture] = caption
    return captions, set(tables)


def _same(file: PurePosixPath) -> str:
    """Names that a person takes for one are one, however a system spells their accents."""
    return unicodedata.normalize("NFC", str(file))


def _unusable(name: str) -> str | None:
    """Why no later stage could write a file of this name."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        return "its name holds control characters"
    if max(len(part) for part in encoded.split(b"/")) > MAX_NAME_BYTES:
        return f"its name is longer than {MAX_NAME_BYTES} bytes"
    return None


def _show(name: str) -> str:
    """A name as a terminal can show it."""
    return name.encode("utf-8", "backslashreplace").decode()
