"""Reads pictures and captions of one folder tree. Every file is a picture, belongs to one, or is reported;
only hidden files and notes are skipped.

Folder names give concept and repeats (folder_names.py).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipeline.pictures.folder_names import FolderNames, concept_of
from pipeline.pictures.formats import PICTURE_FILE_SUFFIXES, UNREAD
from pipeline.pictures.found import PictureScan, SourcePicture
from pipeline.pictures.found_captions import SourceCaptions
from pipeline.pictures.masks import masks_of
from pipeline.pictures.places import Folder, SourceFolder, is_hidden, is_picture, shown, suffix_of, walk
from pipeline.pictures.verdicts import Fault
from pipeline.texts.lines import CaptionReader

CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f]")
MAX_PICTURE_NAME_BYTES = 200
"""Of a picture's name: later stages add suffixes, and disks allow 255."""


@dataclass(frozen=True)
class Findings:
    """Pictures, faults of files (levels and `drop` apply), and problems of a source (always errors)."""

    pictures: PictureScan = field(default_factory=PictureScan)
    faults: list[Fault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    captions: CaptionReader = field(default_factory=CaptionReader)
    names: FolderNames = field(default_factory=FolderNames)

    def number(self) -> int:
        """Number of all findings."""
        return len(self.pictures) + len(self.faults) + len(self.problems)


def read_folder(
    place: SourceFolder, default_repeats: int, columns: Sequence[str], findings: Findings
) -> list[PurePosixPath]:
    """Adds everything in the tree to `findings`, a folder at a time; `columns` as for metadata rows. Returns
    the parquet files, which contain pictures.
    """
    captions, tables = SourceCaptions(place, columns, findings.problems, findings.captions), []
    for folder in walk(place, findings.problems):
        pictures = sum(map(is_picture, folder.files))
        if findings.names.leave_out(place.shown, (*place.parts, *folder.parts), folder.path, pictures):
            continue
        captions.open(folder)
        _read_pictures(place, folder, default_repeats, captions, findings)
        for name in folder.files:
            if is_hidden(name) or name in captions.used or suffix_of(name) in PICTURE_FILE_SUFFIXES:
                continue
            if suffix_of(name) == ".parquet":
                tables.append(PurePosixPath(folder.of(name)))
            else:
                _report_other(name, shown(f"{place.shown}/{folder.of(name)}"), findings)
    findings.problems.extend(captions.without_picture())
    return tables


def _read_pictures(
    place: SourceFolder, folder: Folder, default_repeats: int, captions: SourceCaptions, findings: Findings
) -> None:
    names = [name for name in folder.files if is_picture(name)]
    masks, wrong = masks_of(names, folder.masks, folder.path, holds_masks=folder.holds_masks)
    findings.problems.extend(shown(f"{place.shown}/{sentence}") for sentence in wrong)
    are_masks = set(names) if folder.holds_masks else set(masks.values())
    concept, repeats, below = concept_of((*place.parts, *folder.parts), default_repeats)
    for name in names:
        if name in are_masks:
            continue
        path = folder.of(name)
        caption = captions.take(name)
        stem = name.rpartition(".")[0]
        picture_id = unicodedata.normalize("NFC", f"{concept}/{'_'.join([*below, stem])}")
        if problem := _unusable(picture_id, path):
            findings.problems.append(f"{shown(f'{place.shown}/{path}')}: {problem}; rename it")
            continue
        origins = place.origins.of(path)
        picture = SourcePicture(
            path=place.root / path,
            where=f"{place.shown}/{path}",
            id=picture_id,
            concept=unicodedata.normalize("NFC", concept),
            repeats=repeats,
            is_class=place.is_class,
            caption=caption,
            origin=origins[-1][0] if origins else {"source": place.parts[0], "path": path},
            mask=place.root / folder.of(masks[name]) if name in masks else None,
        )
        findings.pictures.add(picture)


def _report_other(name: str, where: str, findings: Findings) -> None:
    """Reports a file that is not a picture and belongs to none."""
    if suffix_of(name) in (".txt", ".caption"):
        findings.problems.append(
            f"{where}: a caption without a picture; add {shown(name.rpartition('.')[0])}.png"
            " (or .jpg ...) next to it, or delete the caption"
        )
    elif suffix_of(name) in UNREAD:
        sentence = f"a picture of a kind that is not read ({suffix_of(name)}); save it as PNG or JPEG"
        findings.faults.append(Fault("unreadable", where, sentence))
    else:
        findings.faults.append(
            Fault("unknown_file", where, "neither a picture that is read nor a caption of one")
        )


def _unusable(picture_id: str, path: str) -> str | None:
    """Why a later stage could not write a file of this name, or a record could not store its path."""
    try:
        encoded = picture_id.encode()
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if CONTROL.search(picture_id):
        return "its name holds control characters"
    if max(len(part) for part in encoded.split(b"/")) > MAX_PICTURE_NAME_BYTES:
        return f"its name is longer than {MAX_PICTURE_NAME_BYTES} bytes"
    return None
