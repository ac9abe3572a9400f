"""Finds and reads text in pictures by rapidocr, whose package holds PaddleOCR's networks (PP-OCR,
Apache-2.0). Nothing is downloaded. Kept by picture.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.pictures.faces import Box
from pipeline.pictures.reading import read
from pipeline.pictures.text_library import TEXT_LIBRARY, text_library_problem
from pipeline.store.items import Items, key

VERSION = 1
"""Of the algorithm: raise it when the texts found change."""
TEXT_SIDE_PX = 736
"""Short side at which the detector looks (rapidocr's Det.limit_side_len): a larger copy would only be
reduced to it.
"""
_READER_SETTINGS = {
    "Global.log_level": "critical",
    "Global.text_score": 0.0,  # the check has a limit of its own
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # the order of sums; pictures are read in parallel
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
_by_thread = local()


@dataclass(frozen=True, slots=True)
class FoundText:
    """A line of text: its box in px of the whole upright picture, and how sure the reader is, 0-1."""

    text: str
    score: float
    box: Box

    def letters(self) -> int:
        """Number of letters and digits: `***` has none."""
        return sum(character.isalnum() for character in self.text)


def texts_in(path: Path, sha256: str, items: Items) -> tuple[FoundText, ...]:
    """The texts in a picture file of this hash, from the store if known. Raises PictureError, and UserError
    without the library.
    """
    item_key = f"{key(version=VERSION, library=_library_version(), picture=sha256)}.json"
    if kept := items.get(item_key):
        return tuple(FoundText(each["text"], each["score"], tuple(each["box"])) for each in json.loads(kept))
    reading = read(path, min_side_px=TEXT_SIDE_PX)
    found = find_texts(reading.picture, reading.width_px)
    items.put(item_key, json.dumps([asdict(each) for each in found]).encode())
    return found


def find_texts(picture: Image.Image, whole_width_px: int) -> tuple[FoundText, ...]:
    """The texts in an RGB picture, from top to bottom; boxes are scaled to a picture of that width."""
    small = _reduced(picture)
    with reporting_damage("collect.text_detector: rapidocr cannot be run", "install it again"):
        result = _reader()(np.ascontiguousarray(np.asarray(small)[..., ::-1]))
    if result.boxes is None:
        return ()
    scale = whole_width_px / small.width
    rows = zip(result.txts, result.scores, result.boxes, strict=True)
    found = [FoundText(text, round(float(score), 3), _box(corners * scale)) for text, score, corners in rows]
    return tuple(sorted(found, key=lambda each: (each.box[1], each.box[0], each.text)))


def _reduced(picture: Image.Image) -> Image.Image:
    scale = TEXT_SIDE_PX / min(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)


def _box(corners: Any) -> Box:
    """The upright box around four corners [4, 2]."""
    left, top = (int(length) for length in np.floor(corners.min(axis=0)))
    right, bottom = (int(length) for length in np.ceil(corners.max(axis=0)))
    return max(0, left), max(0, top), right - max(0, left), bottom - max(0, top)


@cache
def _library_version() -> str:
    """A user error without the library: its networks follow from the version."""
    if problem := text_library_problem():
        raise UserError(problem)
    return version(TEXT_LIBRARY)


def _reader() -> Any:
    """One a thread: it keeps state between its steps."""
    if not hasattr(_by_thread, "reader"):
        from rapidocr import RapidOCR

        _by_thread.reader = RapidOCR(params=_READER_SETTINGS)
    return _by_thread.reader
