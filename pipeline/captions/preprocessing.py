"""Prepares pictures for taggers: one recipe for each family of taggers, each with an id.

Scores of two recipes cannot be compared: the same network answers differently (kohya, pico and DTE prepare
pictures in three ways and so disagree about one model). The id is stored with the scores.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from pipeline.pictures.colour import WHITE
from pipeline.pictures.reading import read_picture

DECODE_OVERSAMPLING = 2
"""A JPEG is decoded at 1/2, 1/4 or 1/8 while its longer side keeps twice the network's side. Compared with a
full decode, pixels change by at most 0.5 of 255 on average, and 99 % of them by at most 3: less than half of
the difference between kohya's recipe and this one. Keeping only the side itself would change 2.5 on average.
Single pixels change more (about 50) where the picture meets the white: its edge is half a pixel off.
"""


def white_square(picture: Image.Image, side_px: int) -> Image.Image:
    """Centres the picture on a white square, then resizes with PIL's bicubic (as SmilingWolf's space,
    imgutils tagging/wd14.py and taggui do).
    """
    longest = max(picture.size)
    square = Image.new("RGB", (longest, longest), WHITE)
    square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    return square.resize((side_px, side_px), Image.Resampling.BICUBIC)


def edge_square(picture: Image.Image, side_px: int) -> Image.Image:
    """Fits the picture into the square with Lanczos and repeats its edge pixels outwards (AUTOMATIC1111
    modules/images.py resize_image mode 2, used for its DeepDanbooru; KichangKim/DeepDanbooru pads so too).
    """
    longest = max(picture.size)
    width, height = (max(1, side * side_px // longest) for side in picture.size)
    fitted = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    left, top = side_px // 2 - width // 2, side_px // 2 - height // 2
    margins = ((top, side_px - height - top), (left, side_px - width - left), (0, 0))
    return Image.fromarray(np.pad(fitted, margins, mode="edge"))


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to the network's input: squared, channels ordered, values x / divisor - shift."""

    id: str
    square: Callable[[Image.Image, int], Image.Image]
    bgr: bool
    divisor: float
    shift: float
    planes: bool
    """Channels before rows and columns (NCHW)."""

    def __call__(self, picture: Image.Image, side_px: int) -> NDArray[np.float32]:
        """[side, side, 3] or, with `planes`, [3, side, side] float32 of an RGB picture."""
        x = np.asarray(self.square(picture, side_px), np.float32)
        x = x[:, :, ::-1] if self.bgr else x
        x = x if self.divisor == 1 else x / np.float32(self.divisor) - np.float32(self.shift)
        return np.ascontiguousarray(x.transpose(2, 0, 1) if self.planes else x)


WD14 = Preprocessing("white-square-bicubic-bgr", white_square, bgr=True, divisor=1, shift=0, planes=False)
"""SmilingWolf's ONNX files, v1.4 and v3: NHWC, BGR, 0..255."""
SIGNED = Preprocessing(
    "white-square-bicubic-bgr-signed-planes", white_square, bgr=True, divisor=127.5, shift=1, planes=True
)
"""cl_tagger, and WD v3 exported from timm: NCHW, BGR, -1..1 (mean 0.5, std 0.5)."""
DEEPDANBOORU = Preprocessing(
    "edge-square-lanczos-rgb-unit", edge_square, bgr=False, divisor=255, shift=0, planes=False
)
"""DeepDanbooru: NHWC, RGB, 0..1."""
PREPROCESSINGS = (WD14, SIGNED, DEEPDANBOORU)


def read_for_network(path: Path, side_px: int) -> Image.Image:
    """The picture, upright sRGB; a JPEG no larger than a network of that side needs (OVERSAMPLING).
    Raises PictureError.
    """
    return read_picture(path, _min_side_px(path, side_px))


def read_to_squash(path: Path, side_px: int) -> Image.Image:
    """The same for a network that squashes pictures into the square: both sides keep OVERSAMPLING."""
    return read_picture(path, DECODE_OVERSAMPLING * side_px)


def _min_side_px(path: Path, side_px: int) -> int | None:
    """The short side to keep in JPEG decoding so that the long side keeps OVERSAMPLING * side_px."""
    try:
        with JpegImageFile(path) as header:
            short, long = sorted(header.size)
    except (SyntaxError, OSError, ValueError):
        return None
    return math.ceil(DECODE_OVERSAMPLING * side_px * short / long)
