"""Thumbnails for pages."""

import base64
import io

from PIL import Image


def webp_thumbnail(picture: Image.Image, side_px: int) -> bytes:
    """The picture as RGB WebP, at most `side_px` a side."""
    small = picture.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.BOX)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def webp_uri(webp: bytes) -> str:
    """The picture as a data URI, inlined into a page."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
