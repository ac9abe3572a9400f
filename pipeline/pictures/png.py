"""PNG bytes that depend on the pixels alone."""

import io

from PIL import Image


def png_bytes(picture: Image.Image) -> bytes:
    """The picture without metadata."""
    buffer = io.BytesIO()
    Image.frombytes(picture.mode, picture.size, picture.tobytes()).save(buffer, "PNG")
    return buffer.getvalue()
