"""Reads a picture file as upright sRGB, or says why that is impossible.

Silent repairs would train wrong pictures: EXIF orientation and colour profiles are applied, transparent parts
get the configured background, and damaged or animated files, or those with undefined brightness, are refused.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.pictures.colour import WHITE, to_srgb
from pipeline.pictures.formats import HEADER_BYTES, MissingPluginError, formats_for

MAX_PIXELS = 89_478_485
"""Same as Pillow's limit: 256 MiB of RGB. More is a bomb, or a scan to be downsized first."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the picture upright."""
ORIENTATION = 0x0112
OF_COLOURS = ("icc_profile", "gamma", "chromaticity", "srgb")
"""Keys of a file's colour information."""
GREY_STEPS = {"L;2": 85, "L;4": 17}
"""Pillow multiplies greys of few bits by this, but not the file's transparent grey."""
DAMAGED_PICTURE = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError,
    MemoryError, AttributeError, AssertionError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's readers raise on damaged bytes, collected by flipping bytes in every format."""
_headers = Lock()
"""Pillow warns about odd headers through the `warnings` module, whose filters are not thread-safe."""


class PictureError(Exception):
    """Why a file cannot be used as a picture, in a few words; `check`: the check that fails."""

    def __init__(self, message: str, check: str = "unreadable") -> None:
        super().__init__(message)
        self.check = check


@dataclass(frozen=True)
class Reading:
    """A picture, and facts about its file: the whole upright size, Pillow's name of the format, and whether a
    broken colour profile was ignored.
    """

    picture: Image.Image
    width_px: int
    height_px: int
    format: str
    broken_profile: bool


def verify(path: Path) -> None:
    """Verifies a PNG's checksums, which decoding does not; other formats pass. Raises PictureError."""
    with _as_picture_error(path), _opened(path) as picture:
        if picture.format == "PNG":
            picture.verify()


def read_picture(
    path: Path, min_side_px: int | None = None, background: tuple[int, int, int] = WHITE
) -> Image.Image:
    """Upright, RGB in sRGB, transparent parts on `background`. Raises PictureError.

    With `min_side_px` the picture may be smaller, with a short side of at least that (or its own): JPEG then
    decodes at 1/2, 1/4 or 1/8, several times faster.
    """
    return read(path, min_side_px, background).picture


def read_alpha(path: Path) -> Image.Image | None:
    """Opacity of each pixel of the upright picture, 8-bit grey; None without transparency data. Raises
    PictureError.
    """
    with _as_picture_error(path), _opened(path) as picture:
        raw_mode = _raw_mode(picture)  # EXIF of a PNG is read after its pixels
        orientation = _orientation(picture)
        picture.load()
        plain = _eight_bits(picture, raw_mode)
        if not plain.has_transparency_data:
            return None
        alpha = plain.convert("RGBA").getchannel("A")
        return alpha.transpose(TURNS[orientation]) if orientation in TURNS else alpha


def read(path: Path, min_side_px: int | None = None, background: tuple[int, int, int] = WHITE) -> Reading:
    """As `read_picture`, with facts about the file."""
    with _as_picture_error(path), _opened(path) as picture:
        raw_mode = _raw_mode(picture)  # EXIF of a PNG is read after its pixels
        orientation = _orientation(picture)
        width, height = picture.size
        if min_side_px and picture.format in ("JPEG", "MPO"):
            picture.draft(None, (min_side_px, min_side_px))
        picture.load()
        srgb, broken = to_srgb(_eight_bits(picture, raw_mode))
        upright = srgb.transpose(TURNS[orientation]) if orientation in TURNS else srgb
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        return Reading(_flat(upright, background), width, height, picture.format or "", broken)


@contextmanager
def _as_picture_error(path: Path) -> Iterator[None]:
    """Turns Pillow's errors on a bad file into PictureError."""
    try:
        yield
    except MissingPluginError as error:
        raise PictureError(str(error)) from None
    except UnidentifiedImageError:
        raise PictureError(
            "not a picture that can be read" if path.stat().st_size else "not a picture, the file is empty"
        ) from None
    except Image.DecompressionBombError:
        raise PictureError(f"more than {MAX_PIXELS} pixels", "too_many_pixels") from None
    except PermissionError as error:
        raise PictureError(f"cannot be opened ({error.strerror})") from None
    except DAMAGED_PICTURE as error:
        raise PictureError(f"damaged or cut short ({error})", "truncated") from None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, its header read and accepted."""
    # Pillow does not close files that it opened itself when a reader fails.
    with path.open("rb") as file:
        formats = formats_for(file.read(HEADER_BYTES))
        file.seek(0)
        with _headers, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(file, formats=formats)
            _refuse(picture)
        yield picture


def _refuse(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(
            f"{picture.width}x{picture.height} px: more than {MAX_PIXELS} pixels", "too_many_pixels"
        )
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise PictureError("animated, or of several pages; save the one that you want", "animated")
    if picture.mode in ("F", "I") or picture.mode.startswith("I;32"):
        raise PictureError("32 bits a pixel, whose brightness is not defined; save it with 8 or 16")


def _orientation(picture: Image.Image) -> int:
    """EXIF's orientation; 1 if unreadable, or if the reader has turned the picture: JPEG XL's own orientation
    replaces EXIF's.
    """
    if picture.format == "JXL":
        return 1
    with _headers, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return int(picture.getexif().get(ORIENTATION, 1))
        except DAMAGED_PICTURE:
            return 1


def _raw_mode(picture: Image.Image) -> str:
    """Pillow's name for the stored pixel format; available until the pixels are loaded."""
    tiles = getattr(picture, "tile", None)
    args = tiles[0][3] if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _eight_bits(picture: Image.Image, raw_mode: str = "") -> Image.Image:
    """Scales 16-bit grey to 8 bits, and replaces palette indices by colours."""
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I;16"):
        kept: dict[Any, Any] = {name: value for name, value in picture.info.items() if name in OF_COLOURS}
        opaque = None
        if isinstance(transparent, int):
            opaque = Image.fromarray(np.where(np.asarray(picture) == transparent, 0, 255).astype(np.uint8))
        picture = picture.point(lambda value: value / 257).convert("L")
        if opaque:
            picture.putalpha(opaque)
        picture.info = kept
    elif picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    elif isinstance(transparent, int) and raw_mode in GREY_STEPS:
        picture.info["transparency"] = transparent * GREY_STEPS[raw_mode]
    elif isinstance(transparent, tuple) and raw_mode.startswith("RGB;16"):
        picture.info["transparency"] = tuple(value >> 8 for value in transparent)
    return picture


def _flat(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    canvas = Image.new("RGBA", rgba.size, (*background, 255))
    return Image.alpha_composite(canvas, rgba).convert("RGB")
