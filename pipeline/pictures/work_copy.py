"""A smaller copy for analysing a whole picture: detectors are tuned to this size, and it saves time."""

import cv2
import numpy as np
from numpy.typing import NDArray

WORK_SIDE_PX = 512
"""Of the short side."""


def work_copy(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The picture [height, width, 3], or a copy area-averaged to the work size, and its scale."""
    height, width = rgb.shape[:2]
    scale = WORK_SIDE_PX / min(height, width)
    if scale >= 1:
        return rgb, 1.0
    small = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale
