"""Small pictures for people to look at."""

import io

from PIL import Image


def webp_thumbnail(picture: Image.Image, side_px: int) -> bytes:
    """The picture as RGB WebP, at most `side_px` a side."""
    small = picture.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.BOX)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
