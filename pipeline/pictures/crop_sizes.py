"""Sizes of a picture's crops from its size alone: cutting.py's decisions that need no pixels."""

from pipeline.pictures.boxes import split_boxes
from pipeline.pictures.buckets import Size, target_size
from pipeline.pictures.crop_edits import CropEdit
from pipeline.schemas import CropConfig


def crop_sizes(width_px: int, height_px: int, config: CropConfig, edit: CropEdit) -> list[tuple[str, Size]]:
    """Id suffix and size of each crop that `cuts` makes from such a picture."""
    target, parts = _parts(width_px, height_px, config, edit)
    mirror = config.mirror if edit.mirror is None else edit.mirror
    made = []
    for number in range(1, parts + 1):
        suffix = "" if number == 1 else f"-{number}"
        made += [(each, target) for each in (suffix, f"{suffix}-mirror")[: 1 + mirror]]
    return made


def _parts(width_px: int, height_px: int, config: CropConfig, edit: CropEdit) -> tuple[Size, int]:
    """The crops' size and number."""
    if edit.box:
        return target_size(edit.box[2], edit.box[3], config), 1
    target = target_size(width_px, height_px, config)
    threshold = config.split_threshold if edit.split is not False else 0.0
    return target, len(split_boxes(width_px, height_px, target, threshold, config.split_overlap)) or 1
