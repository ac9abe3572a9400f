"""A picture's focal point, which a crop should centre, and the faces that it must not cut. Arithmetic on
arrays.

The method is AUTOMATIC1111's automatic focal point crop (modules/textual_inversion/autocrop.py): faces, the
window with most information, and corner points each give one point, averaged by weight. Corrected: the sign
of Shannon's entropy, and RGB pictures throughout. Points are (x, y) in pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.faces import Box, Face, Pixels, make_detector
from pipeline.pictures.work_copy import work_copy
from pipeline.schemas import CropConfig

PicturePoint = tuple[float, float]

WATERMARK_FRACTION = 0.1
"""Corner points in the lowest tenth are ignored: watermarks are there."""


@dataclass(frozen=True)
class Focus:
    """The focal point, the faces that must not be cut, and the detectors that found something."""

    point: PicturePoint
    faces: tuple[Face, ...]
    detectors: tuple[str, ...]


def find_focus(rgb: Pixels, config: CropConfig) -> Focus:
    """The weighted mean of the detectors' points in `rgb` [height, width, 3]; the centre if they find
    nothing.
    """
    height, width = rgb.shape[:2]
    middle = (width / 2, height / 2)
    if config.focus == "centre":
        return Focus(middle, (), ())
    small, scale = work_copy(rgb)
    gray: Pixels = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    faces = make_detector(config.face_model, config.face_min_score)(small) if config.face_weight else []
    points: dict[str, tuple[float, PicturePoint | None]] = {
        "face": (config.face_weight, mean_point([face_point(face.box) for face in faces])),
        "entropy": (config.entropy_weight, entropy_point(gray) if config.entropy_weight else None),
        "edges": (config.edge_weight, mean_point(corner_points(gray)) if config.edge_weight else None),
    }
    active = {name: (weight, point) for name, (weight, point) in points.items() if weight and point}
    if not active:
        return Focus(middle, (), ())
    total = sum(weight for weight, _ in active.values())
    x = sum(weight * point[0] for weight, point in active.values()) / total / scale
    y = sum(weight * point[1] for weight, point in active.values()) / total / scale
    return Focus((x, y), tuple(_enlarged(face, 1 / scale) for face in faces), tuple(active))


def _enlarged(face: Face, scale: float) -> Face:
    left, top, width, height = (round(length * scale) for length in face.box)
    return Face((left, top, width, height), face.score)


def face_point(face: Box) -> PicturePoint:
    """The eyes' height: a third down the face."""
    x, y, width, height = face
    return x + width / 2, y + height / 3


def mean_point(points: list[PicturePoint]) -> PicturePoint | None:
    if not points:
        return None
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def shannon_entropy(counts: NDArray[np.int64]) -> float:
    """-sum p log2 p of a histogram, in bits."""
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def entropy_point(gray: Pixels, step_px: int = 8) -> PicturePoint | None:
    """Centre of the square window along the long axis with most information (32 grey levels); None for a
    square picture.
    """
    height, width = gray.shape
    side = min(height, width)
    if height == width:
        return None
    lines = (gray if height > width else gray.T) >> 3
    per_line = np.stack([np.bincount(line, minlength=32) for line in lines])
    upto = np.vstack([np.zeros((1, 32), np.int64), per_line.cumsum(axis=0)])
    starts = range(0, len(lines) - side + 1, step_px)
    best = max(starts, key=lambda start: shannon_entropy(upto[start + side] - upto[start]))
    along = best + side / 2
    return (side / 2, along) if height > width else (along, side / 2)


def corner_points(gray: Pixels) -> list[PicturePoint]:
    """At most 100 strong corners (Shi & Tomasi 1994) above the watermark strip."""
    height, width = gray.shape
    shown = gray[: round(height * (1 - WATERMARK_FRACTION))]
    corners = cv2.goodFeaturesToTrack(
        shown, maxCorners=100, qualityLevel=0.04, minDistance=min(height, width) * 0.06
    )
    return [] if corners is None else [(float(x), float(y)) for [[x, y]] in corners]
