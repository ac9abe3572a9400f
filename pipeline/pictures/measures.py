"""Measures of a picture file, kept by content: adding one picture to a thousand measures only one."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files.hashing import sha256_of_file
from pipeline.pictures import defects
from pipeline.pictures.faces import make_detector
from pipeline.pictures.fine_detail import fine_detail
from pipeline.pictures.jpeg_damage import blockiness
from pipeline.pictures.reading import PictureError, Reading, read, verify
from pipeline.pictures.similarity import perceptual_hash
from pipeline.pictures.text_finding import FoundText
from pipeline.pictures.work_copy import WORK_SIDE_PX, work_copy
from pipeline.store.items import Items, key

VERSION = 4
"""Of the algorithm: raise it when a measure changes."""


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """Sizes are of the whole upright picture; what is None was not measured."""

    sha256: str
    width_px: int
    height_px: int
    format: str
    broken_profile: bool
    perceptual_hash: int
    sharpness: float
    brightness: float
    border_share: float
    text_lines: int
    content: tuple[float, ...] = (0, 0, 1, 1)
    """What is inside bands along the sides: left, top, width and height, as fractions of the sides."""
    blockiness: float | None = None
    fine_detail: float | None = None
    faces: int | None = None
    texts: tuple[FoundText, ...] | None = None
    """By the text detector `ocr`, kept apart; None if it was not asked."""


@dataclass(frozen=True, slots=True)
class SlowMeasures:
    """What takes time and is measured only if a check needs it. faces: the detector's model, its hash if it
    is a file, and the least score; None: not counted. damage_under_px: blocks and fine detail are measured,
    at the picture's own size, if its short side is under this.
    """

    faces: tuple[str, str | None, float] | None = None
    damage_under_px: int = 0

    def identity(self) -> list[Any]:
        """What the measures follow from."""
        model, digest, score = self.faces or (None, None, 0.0)
        return [digest or model, score, self.damage_under_px]


def measure(path: Path, asked: SlowMeasures, items: Items) -> PictureMeasures:
    """Measures of a file, from the store if known. Raises PictureError."""
    try:
        digest = sha256_of_file(path)
    except OSError as error:
        raise PictureError(f"cannot be opened ({error.strerror})") from None
    stem = key(version=VERSION, picture=digest, asked=asked.identity())
    kept = items.get(f"{stem}.json")
    if kept is not None:
        values = json.loads(kept)
        return PictureMeasures(**{**values, "content": tuple(values["content"])})
    verify(path)
    made = with_damage(path, of_reading(read(path, min_side_px=WORK_SIDE_PX), digest, asked), asked)
    items.put(f"{stem}.json", json.dumps(asdict(made), sort_keys=True).encode())
    return made


def with_damage(path: Path, made: PictureMeasures, asked: SlowMeasures) -> PictureMeasures:
    """Adds what the reduced copy does not show."""
    if min(made.width_px, made.height_px) >= asked.damage_under_px:
        return made
    gray = np.asarray(read(path).picture.convert("L"))
    return replace(made, blockiness=round(blockiness(gray), 3), fine_detail=round(fine_detail(gray), 4))


def of_reading(reading: Reading, sha256: str, asked: SlowMeasures) -> PictureMeasures:
    gray = defects.gray_copy(reading.picture)
    left, top, width, height = defects.content_box(gray)
    across, down = gray.shape[1], gray.shape[0]
    return PictureMeasures(
        sha256=sha256,
        width_px=reading.width_px,
        height_px=reading.height_px,
        format=reading.format,
        broken_profile=reading.broken_profile,
        perceptual_hash=perceptual_hash(reading.picture),
        sharpness=round(defects.sharpness(gray), 2),
        brightness=round(defects.brightness(gray), 4),
        border_share=round(1 - width * height / gray.size, 4),
        content=tuple(
            round(length, 4) for length in (left / across, top / down, width / across, height / down)
        ),
        text_lines=defects.text_lines(gray),
        faces=count_faces(reading, asked.faces) if asked.faces else None,
    )


def count_faces(reading: Reading, detector: tuple[str, str | None, float]) -> int:
    """Faces in the work copy."""
    model, _, min_score = detector
    small, _ = work_copy(np.asarray(reading.picture))
    return len(make_detector(model, min_score)(small))
