"""PNG bytes that depend on the pixels alone."""

import cv2
import numpy as np
from PIL import Image

PARAMETERS = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_COMPRESSION, 1]
"""A photograph takes a quarter of zlib's usual time and comes out as small."""


def png_bytes(picture: Image.Image) -> bytes:
    """The RGB picture without metadata."""
    done, data = cv2.imencode(".png", np.asarray(picture)[:, :, ::-1], PARAMETERS)
    assert done
    return data.tobytes()
