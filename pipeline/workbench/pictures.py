"""The pictures that /data shows: the crops, or before the first crop what was collected."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.pictures.records import PICTURE_FOLDER, RECORDS_FILE, Record, Records

CROPPED_FOLDER, COLLECTED_FOLDER = Path("data/cropped"), Path("data/collected")
MASKS = "masks"
"""Of a folder of pictures: its masks."""
VERDICT_ORDER = ("warn", "waived", "ok")
Stamps = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A crop: `picture` is the id of what it was cut from, which decisions about pictures name; `original`
    the SHA-256 of that file.
    """

    id: str
    picture: str
    sha256: str
    original: str
    width_px: int
    height_px: int
    concept: str
    is_class: bool
    verdict: str
    notes: tuple[str, ...]
    group: str
    mask: str | None
    """What the page calls its mask's file; None without one."""
    made: tuple[tuple[int, ...], tuple[int, ...], float, bool] | None
    """Of a crop: the whole picture's width and height, the box, the scale, whether mirrored."""


class PictureIndex:
    """All pictures by number, and where the file of a hash is."""

    def __init__(self, pictures: Iterable[ShownPicture], files: dict[str, Path], stamps: Stamps) -> None:
        self.pictures, self.files, self.stamps = list(pictures), files, stamps
        self.numbers = {picture.id: number for number, picture in enumerate(self.pictures)}

    def columns(self) -> dict[str, Any]:
        """For the page: one list a fact, in the pictures' order."""
        verdicts = [picture.verdict for picture in self.pictures]
        return {
            "ids": [picture.id for picture in self.pictures],
            "sha": [picture.sha256 for picture in self.pictures],
            "original": [picture.original for picture in self.pictures],
            "picture": [_other(picture.picture, picture.id) for picture in self.pictures],
            "w": [picture.width_px for picture in self.pictures],
            "h": [picture.height_px for picture in self.pictures],
            "verdict": verdicts,
            "mask": {number: each.mask for number, each in enumerate(self.pictures) if each.mask},
            "group": [self.numbers.get(picture.group, -1) for picture in self.pictures],
            "generation": generation(self.stamps),
        }


def _other(name: str, known: str) -> str | None:
    """None for the same, which the page knows."""
    return None if name == known else name


def generation(stamps: Stamps) -> str:
    """Another text when the stages' outputs are others."""
    return "-".join(f"{when:x}" for when, _ in stamps)


def stamps_now() -> Stamps:
    found = []
    for folder in (CROPPED_FOLDER, COLLECTED_FOLDER):
        try:
            stat = (folder / RECORDS_FILE).stat()
            found.append((stat.st_mtime_ns, stat.st_size))
        except FileNotFoundError:
            found.append((0, 0))
    return tuple(found)


def read_index() -> PictureIndex:
    stamps = stamps_now()
    cropped, collected = (stamp != (0, 0) for stamp in stamps)
    files, whole = dict[str, Path](), COLLECTED_FOLDER / PICTURE_FOLDER
    originals = list(Records(COLLECTED_FOLDER)) if collected else []
    for record in originals:
        files[record.sha256] = whole / record.file
        _note_mask(record, COLLECTED_FOLDER, files)
    if not cropped:
        return PictureIndex((_shown(record) for record in originals), files, stamps)
    shown = [_shown(record) for record in _crops(files)]
    return PictureIndex(shown, files, stamps)


def _crops(files: dict[str, Path]) -> Iterator[Record]:
    cut = CROPPED_FOLDER / PICTURE_FOLDER
    for record in Records(CROPPED_FOLDER):
        files[record.sha256] = cut / record.file
        _note_mask(record, CROPPED_FOLDER, files)
        yield record


def _note_mask(record: Record, folder: Path, files: dict[str, Path]) -> None:
    if record.mask_file and record.mask_sha256:
        files[record.mask_sha256] = folder / MASKS / record.mask_file


def _shown(record: Record) -> ShownPicture:
    origin, is_crop = record.origin, "box_px" in record.origin
    made = (
        (tuple(origin["whole_px"]), tuple(origin["box_px"]), float(origin["scale"]), bool(origin["mirrored"]))
        if is_crop
        else None
    )
    return ShownPicture(
        id=record.id,
        picture=origin["picture"] if is_crop else record.id,
        sha256=record.sha256,
        original=origin["parent"] if is_crop else record.sha256,
        width_px=record.width_px,
        height_px=record.height_px,
        concept=record.concept,
        is_class=record.is_class,
        verdict=record.verdict,
        notes=tuple(record.notes),
        group=record.group,
        mask=record.mask_sha256 if record.mask_file else None,
        made=made,
    )
