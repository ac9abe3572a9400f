"""Defects in a picture's pixels: blur, darkness, borders of one colour, overlaid text. Arithmetic on grey
arrays [height, width] of 0-255, without files.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures.work_copy import WORK_SIDE_PX

Gray = NDArray[np.uint8]
TILES = 3

BORDER_STEP, BORDER_NOISE = 16, 2.0
"""Grey levels by which a pixel differs from a band's colour; largest standard deviation of a band's line.
"""
MIN_BORDER_FRACTION = 0.01
EDGE_PX = 9
"""JPEG smears an edge over its 8x8 blocks."""

STRIP_FRACTION, MIN_STRIP_PX = 0.12, 16
"""Text is searched in this fraction of the height, at the top and at the bottom."""
STROKE_PX, STROKE_CONTRAST = 9, 40
MIN_LETTER_PX, MIN_LETTERS, MIN_TEXT_ASPECT = 6, 6, 3.0
MIN_STROKES, MAX_STROKES_AROUND = 0.15, 0.05
"""Fraction that strokes fill of a text line's box, and of the area around it. Chosen on 55 photographs (of
scikit-image, scikit-learn and matplotlib) and drawings: the star field, the stained tissue and the astronaut
are wrongly taken for text; a white stamp in the corner is found on 34.
"""


def gray_copy(picture: Image.Image) -> Gray:
    """The picture in grey, with the work copy's short side or its own if smaller: blur depends on scale."""
    scale = WORK_SIDE_PX / min(picture.size)
    gray = picture.convert("L")
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        gray = gray.resize(size, Image.Resampling.BOX)
    return np.asarray(gray)


def sharpness(gray: Gray) -> float:
    """Variance of the Laplacian (Pech-Pacheco 2000) of the sharpest of 3x3 tiles: one sharp part is enough,
    so a portrait in front of a blurred background is sharp.
    """
    edges = cv2.Laplacian(gray, cv2.CV_32F)
    rows = [band for band in np.array_split(edges, TILES, axis=0) if band.size]
    tiles = [tile for band in rows for tile in np.array_split(band, TILES, axis=1) if tile.size]
    return max(float(tile.var()) for tile in tiles)


def brightness(gray: Gray) -> float:
    """Mean, 0 (black) to 1 (white)."""
    return float(gray.mean()) / 255


def border_fraction(gray: Gray) -> float:
    """Fraction of the picture covered by bands along its sides."""
    _, _, width, height = content_box(gray)
    return float(1 - width * height / gray.size)


def content_box(gray: Gray) -> tuple[int, int, int, int]:
    """left, top, width and height of what is inside straight bands of one colour along the sides:
    letterboxes, frames, bars of a screenshot.

    A band ends where more than half of one of the next lines differs from its colour, as at the edge of a
    pasted picture. A plain background, which ends at the figure's outline, is not a band.
    """
    height, width = gray.shape
    top, bottom = _band(gray), _band(gray[::-1])
    left, right = _band(gray.T), _band(gray.T[::-1])
    return left, top, max(0, width - left - right), max(0, height - top - bottom)


def _band(lines: NDArray[np.uint8]) -> int:
    """Number of lines of a band at the start; 0 for less than a hundredth of all lines."""
    colour = np.median(lines[0])
    departs = np.abs(lines.astype(np.int16) - int(colour)) > BORDER_STEP
    plain = (departs.mean(axis=1) < 0.01) & (lines.std(axis=1) <= BORDER_NOISE)
    end = int(np.argmin(plain)) if not plain.all() else len(lines)
    ends_straight = end < len(lines) and any(departs[end : end + EDGE_PX].mean(axis=1) > 0.5)
    return end if ends_straight and end >= max(2, MIN_BORDER_FRACTION * len(lines)) else 0


def text_lines(gray: Gray) -> int:
    """Number of likely lines of text in the bottom and top strips, where watermarks and signatures are.

    Strokes are thin and lighter, or thin and darker, than their surroundings (morphological top-hat and
    black-hat); closing joins them to words. A line of text is long, low, has several letters, is wholly
    inside the strip, and has few strokes above and below it, unlike grass or hair.
    """
    strip = round(gray.shape[0] * STRIP_FRACTION)
    if strip < MIN_STRIP_PX:
        return 0
    bands = (gray[-strip:], gray[:strip])
    hats = (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    return sum(_text_lines(band, hat) for band in bands for hat in hats)


def _text_lines(strip: Gray, hat: int) -> int:
    thin = cv2.morphologyEx(strip, hat, np.ones((STROKE_PX, STROKE_PX), np.uint8))
    strokes = (thin > STROKE_CONTRAST).astype(np.uint8)
    words = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((1, 2 * STROKE_PX - 1), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(words)
    return sum(_is_text(strokes, *(int(value) for value in box[:4])) for box in boxes[1:])


def _is_text(strokes: Gray, left: int, top: int, width: int, height: int) -> bool:
    inside = top > 0 and top + height < len(strokes)
    if not inside or height < MIN_LETTER_PX or width < MIN_TEXT_ASPECT * height:
        return False
    columns = slice(left, left + width)
    line = strokes[top : top + height, columns]
    letters, _ = cv2.connectedComponents(np.ascontiguousarray(line))
    gap = max(2, height // 2)
    around = [strokes[max(0, top - gap) : top, columns], strokes[top + height : top + height + gap, columns]]
    alone = float(np.concatenate(around).mean()) < MAX_STROKES_AROUND
    return alone and float(line.mean()) >= MIN_STROKES and letters > MIN_LETTERS
