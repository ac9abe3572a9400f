"""The part of a picture that a crop keeps. Pure arithmetic; boxes are (left, top, width, height) in pixels of
the upright original.
"""

import math
from collections.abc import Sequence

from pipeline.pictures.buckets import Size
from pipeline.pictures.faces import Box
from pipeline.pictures.focal import Focus

Interval = tuple[float, float]
FACE_MARGIN = 0.2
"""Detectors' boxes end inside the face: a crop keeps this fraction more on each side if there is room."""


def largest_inside(width_px: int, height_px: int, target: Size) -> Size:
    """The largest size of the target's shape that fits into the picture."""
    scale = min(width_px / target[0], height_px / target[1])
    return min(width_px, round(target[0] * scale)), min(height_px, round(target[1] * scale))


def focal_box(width_px: int, height_px: int, target: Size, focus: Focus) -> Box:
    """The largest box of the target's shape, as near to the focus as possible without cutting a face that
    fits.
    """
    width, height = largest_inside(width_px, height_px, target)
    faces = sorted((face.box for face in focus.faces), key=lambda box: (-box[2] * box[3], box))
    left = _start(width_px, width, focus.point[0], [span for x, _, w, _ in faces for span in _spans(x, w)])
    top = _start(height_px, height, focus.point[1], [span for _, y, _, h in faces for span in _spans(y, h)])
    return left, top, width, height


def _spans(start: int, length: int) -> list[Interval]:
    """The face, then the face with its margin."""
    margin = length * FACE_MARGIN
    return [(start, start + length), (start - margin, start + length + margin)]


def _start(length: int, window: int, focus: float, spans: Sequence[Interval]) -> int:
    """Start of a window in `length`, centred on `focus`, but moved to contain as many whole `spans` as fit
    together; earlier spans have priority.
    """
    start = round(focus - window / 2)
    held: Interval | None = None
    for first, last in ((max(0, a), min(length, b)) for a, b in spans):
        both = (first, last) if held is None else (min(held[0], first), max(held[1], last))
        if both[1] - both[0] <= window:
            held = both
    if held is not None:
        start = max(math.ceil(held[1]) - window, min(start, math.floor(held[0])))
    return max(0, min(start, length - window))


def split_boxes(width_px: int, height_px: int, target: Size, threshold: float, overlap: float) -> list[Box]:
    """Boxes that overlap by at least the fraction `overlap` and cover a long picture from end to end; none if
    one box covers more than the fraction `threshold`. (AUTOMATIC1111's rule,
    scripts/postprocessing_split_oversized.py.)
    """
    width, height = largest_inside(width_px, height_px, target)
    if width * height / (width_px * height_px) > threshold:
        return []
    long, window = (width_px, width) if width < width_px else (height_px, height)
    number = max(2, math.ceil((long - window * overlap) / (window * (1 - overlap))))
    starts = [round((long - window) * index / (number - 1)) for index in range(number)]
    if width < width_px:
        return [(start, 0, width, height) for start in starts]
    return [(0, start, width, height) for start in starts]


def box_around(inner: Box, width_px: int, height_px: int, target: Size) -> Box:
    """The smallest box of the target's shape that contains `inner`; if that exceeds the picture, the largest
    box inside it.
    """
    scale = max(inner[2] / target[0], inner[3] / target[1])
    most_width, most_height = largest_inside(width_px, height_px, target)
    width = min(most_width, math.ceil(target[0] * scale))
    height = min(most_height, math.ceil(target[1] * scale))
    left = _start(width_px, width, inner[0] + inner[2] / 2, [(inner[0], inner[0] + inner[2])])
    top = _start(height_px, height, inner[1] + inner[3] / 2, [(inner[1], inner[1] + inner[3])])
    return left, top, width, height
