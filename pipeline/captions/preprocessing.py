"""Prepares pictures for taggers: one recipe for each family of taggers, each with an id.

Scores of two recipes cannot be compared: the same network answers differently (kohya, pico and DTE prepare
pictures in three ways and so disagree about one model). The id is stored with the scores.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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

Channels = tuple[float, float, float]
"""A number for each of red, green and blue."""
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
IMAGENET_COLOUR = (124, 116, 104)
"""IMAGENET_MEAN of 255."""
CLIP_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Channels = (0.26862954, 0.26130258, 0.27577711)


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


def mean_square(picture: Image.Image, side_px: int) -> Image.Image:
    """Fits the picture into the square with Lanczos and centres it on ImageNet's mean colour
    (Camais03/camie-tagger-v2 onnx_inference.py, preprocess_image).
    """
    longest = max(picture.size)
    width, height = (max(1, side * side_px // longest) for side in picture.size)
    square = Image.new("RGB", (side_px, side_px), IMAGENET_COLOUR)
    fitted = picture.resize((width, height), Image.Resampling.LANCZOS)
    square.paste(fitted, ((side_px - width) // 2, (side_px - height) // 2))
    return square


def normalised(x: NDArray[np.float32], mean: Channels, std: Channels) -> NDArray[np.float32]:
    """(x - mean) / std of [side, side, 3], by channel."""
    centred = np.subtract(x, np.asarray(mean, np.float32))
    return np.asarray(np.divide(centred, np.asarray(std, np.float32)), np.float32)


class Preparation(Protocol):
    """How a network's pictures are prepared. The id is the same for equal preparations."""

    @property
    def id(self) -> str: ...

    @property
    def planes(self) -> bool:
        """Channels before rows and columns (NCHW)."""

    def __call__(self, picture: Image.Image, side_px: int) -> NDArray[np.float32]:
        """[side, side, 3] or, with `planes`, [3, side, side] of an RGB picture."""


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to the network's input: squared, channels ordered, values x / divisor - shift, then
    normalised by channel if there is a mean.
    """

    id: str
    square: Callable[[Image.Image, int], Image.Image]
    bgr: bool
    divisor: float
    shift: float
    planes: bool
    """Channels before rows and columns (NCHW)."""
    mean: Channels | None = None
    std: Channels = (1.0, 1.0, 1.0)

    def __call__(self, picture: Image.Image, side_px: int) -> NDArray[np.float32]:
        """[side, side, 3] or, with `planes`, [3, side, side] float32 of an RGB picture."""
        x = np.asarray(self.square(picture, side_px), np.float32)
        x = x[:, :, ::-1] if self.bgr else x
        x = x if self.divisor == 1 else x / np.float32(self.divisor) - np.float32(self.shift)
        x = x if self.mean is None else normalised(x, self.mean, self.std)
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
CAMIE = Preprocessing(
    "mean-square-lanczos-rgb-imagenet-planes", mean_square,
    bgr=False, divisor=255, shift=0, planes=True, mean=IMAGENET_MEAN, std=IMAGENET_STD,
)  # fmt: skip
"""Camie taggers: NCHW, RGB, ImageNet's mean and deviation."""
JOYTAG = Preprocessing(
    "white-square-bicubic-rgb-clip-planes", white_square,
    bgr=False, divisor=255, shift=0, planes=True, mean=CLIP_MEAN, std=CLIP_STD,
)  # fmt: skip
"""JoyTag: NCHW, RGB, CLIP's mean and deviation (fpgaminer/joytag README.md, prepare_image)."""
PREPROCESSINGS = (WD14, SIGNED, DEEPDANBOORU, CAMIE, JOYTAG)


def read_for_network(path: Path, side_px: int) -> Image.Image:
    """The picture, upright sRGB; a JPEG no larger than a network of that side needs (OVERSAMPLING).
    Raises PictureError.
    """
    return read_picture(path, _min_side_px(path, side_px))


def read_to_squash(path: Path, side_px: int) -> Image.Image:
    """The same for a network that squashes pictures into the square: both sides keep OVERSAMPLING."""
    return read_picture(path, DECODE_OVERSAMPLING * side_px)


def read_fitted(path: Path, side_px: int) -> Image.Image:
    """The picture in its own shape, its longer side at most this. Raises PictureError."""
    picture = read_for_network(path, side_px)
    longest = max(picture.size)
    if longest <= side_px:
        return picture
    width, height = (max(1, round(side * side_px / longest)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _min_side_px(path: Path, side_px: int) -> int | None:
    """The short side to keep in JPEG decoding so that the long side keeps OVERSAMPLING * side_px."""
    try:
        with JpegImageFile(path) as header:
            short, long = sorted(header.size)
    except (SyntaxError, OSError, ValueError):
        return None
    return math.ceil(DECODE_OVERSAMPLING * side_px * short / long)
