"""A picture file -> an upright sRGB picture, or a sentence that says why not."""

import io
import warnings
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
WHITE = (255, 255, 255)
MAX_PIXELS = 200_000_000


class PictureError(Exception):
    """Why a file cannot be used as a picture, in a few words."""


def read_picture(path: Path, min_side_px: int | None = None) -> Image.Image:
    """Upright, RGB in sRGB, transparent parts on white. Raises PictureError.

    `min_side_px`: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which is far quicker, as long as no side
    falls below it; other formats are read whole.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                _refuse(picture)
                if min_side_px:
                    picture.draft(None, (min_side_px, min_side_px))
                picture.load()
                return _flat(_srgb(ImageOps.exif_transpose(picture)))
    except UnidentifiedImageError:
        raise PictureError("not a picture that can be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"more than {Image.MAX_IMAGE_PIXELS} pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(f"damaged or cut short ({error})") from None


def _refuse(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(f"{picture.width}x{picture.height}: more than {MAX_PIXELS} pixels")
    if getattr(picture, "n_frames", 1) > 1 and picture.format in ("GIF", "WEBP", "PNG", "AVIF"):
        raise PictureError("animated; save the frame that you want as a picture")


def _srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except ImageCms.PyCMSError:
        return picture
    assert converted is not None
    return converted


def _flat(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        picture = picture.point(lambda value: value / 257).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    canvas = Image.new("RGBA", rgba.size, (*WHITE, 255))
    return Image.alpha_composite(canvas, rgba).convert("RGB")
