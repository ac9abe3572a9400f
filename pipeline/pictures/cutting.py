"""Cuts one picture into crops: which part, at which size, and why. Pixels in, pixels out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from pipeline.pictures.boxes import box_around, focal_box, split_boxes
from pipeline.pictures.buckets import Size, target_size
from pipeline.pictures.crop_edits import CropEdit
from pipeline.pictures.faces import Box
from pipeline.pictures.focal import Focus, find_focus
from pipeline.schemas import CropConfig


@dataclass(frozen=True)
class Cut:
    """A planned crop: `suffix` is added to the picture's id, `how` goes into the record."""

    suffix: str
    box: Box
    target: Size
    mirrored: bool
    how: dict[str, Any]


def cuts(picture: Image.Image, config: CropConfig, edit: CropEdit) -> list[Cut]:
    """Every crop of an upright RGB picture."""
    placed = list(_places(picture, config, edit))
    mirror = config.mirror if edit.mirror is None else edit.mirror
    made = []
    for number, (box, target, reason) in enumerate(placed, 1):
        suffix = "" if number == 1 else f"-{number}"
        how = {"box_px": list(box), "scale": round(target[0] / box[2], 6), **reason}
        made.append(Cut(suffix, box, target, False, {**how, "mirrored": False}))
        if mirror:
            made.append(Cut(f"{suffix}-mirror", box, target, True, {**how, "mirrored": True}))
    return made


def _places(
    picture: Image.Image, config: CropConfig, edit: CropEdit
) -> Iterator[tuple[Box, Size, dict[str, Any]]]:
    """Box, size and reason of each crop."""
    width, height = picture.size
    if edit.box:
        left, top, box_width, box_height = edit.box
        target = target_size(box_width, box_height, config)
        yield box_around((left, top, box_width, box_height), width, height, target), target, {"by": "edit"}
        return
    target = target_size(width, height, config)
    threshold = config.split_threshold if edit.split is not False else 0.0
    if parts := split_boxes(width, height, target, threshold, config.split_overlap):
        yield from ((box, target, {"by": "split"}) for box in parts)
        return
    if edit.focus:
        focus = Focus((edit.focus[0], edit.focus[1]), (), ())
        yield focal_box(width, height, target, focus), target, {"by": "edit"}
        return
    focus = find_focus(np.asarray(picture), config)
    yield focal_box(width, height, target, focus), target, _reason(focus, config)


def _reason(focus: Focus, config: CropConfig) -> dict[str, Any]:
    return {
        "by": config.focus,
        "focus_px": [round(length) for length in focus.point],
        "detectors": list(focus.detectors),
        "faces": [{"box_px": list(face.box), "score": face.score} for face in focus.faces],
    }


def cut_out(picture: Image.Image, cut: Cut) -> Image.Image:
    """The crop's pixels at its size (Lanczos)."""
    made = picture.resize(cut.target, Image.Resampling.LANCZOS, box=_edges(cut), reducing_gap=3)
    return ImageOps.mirror(made) if cut.mirrored else made


def cut_mask(mask: Image.Image, cut: Cut) -> Image.Image:
    """The mask of the same crop, as the mean over each pixel's area, which never overshoots."""
    made = mask.resize(cut.target, Image.Resampling.BOX, box=_edges(cut))
    return ImageOps.mirror(made) if cut.mirrored else made


def _edges(cut: Cut) -> tuple[float, float, float, float]:
    left, top, width, height = cut.box
    return left, top, left + width, top + height
