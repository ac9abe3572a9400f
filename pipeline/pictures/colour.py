"""Converts pictures to sRGB. Colour information counts in PNG's order: an ICC profile, the sRGB mark, then
gamma and primaries. A profile counts as sRGB by its effect, not by its name.
"""

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

INK, FAINT = (24, 24, 27), (113, 113, 122)
"""Of text on the sheets and grids that we draw."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SAME = 2
"""Largest difference of a byte by which a profile counts as sRGB: curves are stored rounded."""
GAMMA = 1 / 2.2
SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""White, red, green and blue, x and y each."""
NEAR = 0.01
SANE_GAMMA = (0.05, 5.0)
Array = NDArray[np.float64]


def to_srgb(picture: Image.Image) -> tuple[Image.Image, bool]:
    """The picture in sRGB, and whether its profile is broken (then sRGB is assumed)."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return _by_gamma(picture), False
    try:
        colours = picture.convert(picture.mode.removesuffix("A").removesuffix("a"))
        if colours.mode in ("L", "RGB") and _is_srgb(profile, colours.mode):
            return picture, False
        alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
        converted = _converted(colours, profile)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture, True
    if alpha:
        converted.putalpha(alpha)
    return converted, False


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    made = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None
    return made


@cache
def _is_srgb(profile: bytes, mode: str) -> bool:
    """Whether the profile leaves greys and strong colours unchanged."""
    ramp = np.arange(0, 256, 5, dtype=np.uint8)
    if mode == "L":
        probe = Image.fromarray(ramp[None])
    else:
        grid = np.stack(np.meshgrid(ramp[::10], ramp[::10], ramp[::10]), axis=-1).reshape(1, -1, 3)
        probe = Image.fromarray(np.concatenate([grid, np.repeat(ramp[None, :, None], 3, axis=2)], axis=1))
    before, after = (np.asarray(each.convert("RGB"), int) for each in (probe, _converted(probe, profile)))
    return bool(np.abs(before - after).max() <= SAME)


def _by_gamma(picture: Image.Image) -> Image.Image:
    """Converts by PNG's gAMA and cHRM if they differ from sRGB."""
    gamma, primaries = picture.info.get("gamma"), picture.info.get("chromaticity")
    if "srgb" in picture.info or picture.mode not in ("L", "LA", "RGB", "RGBA"):
        return picture
    if not (gamma and SANE_GAMMA[0] <= gamma <= SANE_GAMMA[1]):
        return picture  # primaries alone say nothing without a curve
    matrix = None if picture.mode.startswith("L") else _to_srgb_matrix(primaries)
    if matrix is None and abs(gamma - GAMMA) < NEAR:
        return picture
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    linear = (np.arange(256) / 255) ** (1 / gamma)
    if matrix is None:
        table = np.rint(255 * _encoded(linear)).astype(int).tolist()
        made = picture.convert("RGB").point(table * 3)
    else:
        made = Image.fromarray(_in_primaries(np.asarray(picture.convert("RGB")), linear, matrix))
    if alpha:
        made.putalpha(alpha)
    return made


def _in_primaries(pixels: NDArray[np.uint8], linear: Array, matrix: Array) -> NDArray[np.uint8]:
    """A row at a time: a whole picture in 64-bit numbers would take eight times its memory."""
    made = np.empty_like(pixels)
    for number, row in enumerate(pixels):
        made[number] = np.rint(255 * _encoded(np.clip(linear[row] @ matrix.T, 0, 1)))
    return made


def _encoded(linear: Array) -> Array:
    """sRGB's curve (IEC 61966-2-1)."""
    low = linear <= 0.0031308
    return np.where(low, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def _to_srgb_matrix(primaries: tuple[float, ...] | None) -> Array | None:
    """Matrix from linear colours of these primaries to sRGB's; None for sRGB's or unusable primaries. White
    stays white.
    """
    if not primaries or len(primaries) != len(SRGB) or np.allclose(primaries, SRGB, atol=NEAR):
        return None
    try:
        matrix = np.linalg.solve(_xyz(SRGB), _xyz(primaries))
    except (np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError):
        return None
    whole = matrix / matrix.sum(axis=1, keepdims=True)
    return whole if np.isfinite(whole).all() else None


def _xyz(primaries: tuple[float, ...]) -> Array:
    """Columns: the primaries' XYZ, so that together they give white."""
    places = [(x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]
    white, *colours = map(np.array, places)
    columns: Array = np.stack(colours, axis=1)
    return columns * np.linalg.solve(columns, white)
