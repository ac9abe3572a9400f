"""The six numbers of size and crop with which SDXL distinguishes small originals and cropped pictures (Podell
et al. 2023, arXiv 2307.01952, section 2.2).

    original height, original width, crop top, crop left, target height, target width

The corner is the crop's in the resized picture, in pixels of the target; for a mirrored crop, after
mirroring.
"""

from collections.abc import Mapping
from typing import Any

SizeConditioning = tuple[int, int, int, int, int, int]


def sizes_of(record: Mapping[str, Any]) -> SizeConditioning:
    """From a crop's record; a picture that was drawn at its size is uncropped."""
    width, height, origin = record["width_px"], record["height_px"], record["origin"]
    if "box_px" not in origin:
        return whole(width, height)
    whole_width, whole_height = origin["whole_px"]
    left, top, box_width, box_height = origin["box_px"]
    if origin["mirrored"]:
        left = whole_width - left - box_width
    corner = round(top * height / box_height), round(left * width / box_width)
    return whole_height, whole_width, *corner, height, width


def whole(width_px: int, height_px: int) -> SizeConditioning:
    """For a picture of this size that was neither resized nor cropped."""
    return height_px, width_px, 0, 0, height_px, width_px
