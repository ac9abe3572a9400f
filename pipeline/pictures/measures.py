"""Measures of a picture file, kept by content: adding one picture to a thousand measures only one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.files.hashing import sha256_of_file
from pipeline.pictures import defects
from pipeline.pictures.faces import make_detector
from pipeline.pictures.reading import PictureError, Reading, read, verify
from pipeline.pictures.similarity import perceptual_hash
from pipeline.pictures.text_finding import FoundText
from pipeline.pictures.work_copy import WORK_SIDE_PX, work_copy
from pipeline.store.items import Items, key

VERSION = 3
"""Of the algorithm: raise it when a measure changes."""


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """Sizes are of the whole upright picture; `faces` is None if not counted."""

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
    faces: int | None = None
    texts: tuple[FoundText, ...] | None = None
    """By the text detector `ocr`, kept apart; None if it was not asked."""


def measure(path: Path, with_faces: bool, items: Items) -> PictureMeasures:
    """Measures of a file, from the store if known. Raises PictureError."""
    try:
        digest = sha256_of_file(path)
    except OSError as error:
        raise PictureError(f"cannot be opened ({error.strerror})") from None
    stem = key(version=VERSION, picture=digest, faces=with_faces)
    kept = items.get(f"{stem}.json")
    if kept is not None:
        return PictureMeasures(**json.loads(kept))
    verify(path)
    made = of_reading(read(path, min_side_px=WORK_SIDE_PX), digest, with_faces)
    items.put(f"{stem}.json", json.dumps(asdict(made), sort_keys=True).encode())
    return made


def of_reading(reading: Reading, sha256: str, with_faces: bool) -> PictureMeasures:
    gray = defects.gray_copy(reading.picture)
    return PictureMeasures(
        sha256=sha256,
        width_px=reading.width_px,
        height_px=reading.height_px,
        format=reading.format,
        broken_profile=reading.broken_profile,
        perceptual_hash=perceptual_hash(reading.picture),
        sharpness=round(defects.sharpness(gray), 2),
        brightness=round(defects.brightness(gray), 4),
        border_share=round(defects.border_fraction(gray), 4),
        text_lines=defects.text_lines(gray),
        faces=count_faces(reading) if with_faces else None,
    )


def count_faces(reading: Reading) -> int:
    """Faces in the work copy."""
    small, _ = work_copy(np.asarray(reading.picture))
    return len(make_detector("lbp", 0.0)(small))
