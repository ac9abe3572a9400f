"""A tagger's own description of how its pictures are prepared: preprocess.json, as deepghs (PixAI's tagger)
and animetimm publish it.

    {"stages": [{"type": "resize", "size": [448, 448], "interpolation": "bicubic"},
                {"type": "maybe_to_tensor"}, {"type": "normalize", "mean": [0.5, ...], "std": [0.5, ...]}]}

`test` is read where there is no `stages`. The stages mean what they mean in deepghs/imgutils
imgutils/preprocess/pillow.py; one that is unknown is a user error, since its scores would be wrong.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from pipeline.captions.preprocessing import Channels, normalised
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.hashing import sha256_of_bytes
from pipeline.files.json_text import read_mapping
from pipeline.files.text_file import LABEL_FILE

STATED_FILE = "preprocess.json"
MOST_STATED_PX = 4096
MOST_RATIO = 16
"""Of the sides of a picture whose short side is resized; longer ones are squashed."""
RESAMPLINGS = {each.name.lower(): each for each in Image.Resampling}
RESCALED = 1 / 255

PictureStage = Callable[[Image.Image, Mapping[str, Any]], Image.Image]


@dataclass(frozen=True)
class StatedPreprocessing:
    """The stages of a file, applied in order: RGB, planes first."""

    stages: tuple[Mapping[str, Any], ...]
    planes: bool = True

    @cached_property
    def id(self) -> str:
        """The same for the same stages."""
        text = json.dumps([dict(stage) for stage in self.stages], sort_keys=True)
        return f"stated-{sha256_of_bytes(text.encode())[:16]}"

    def __call__(self, picture: Image.Image, side_px: int) -> NDArray[np.float32]:
        """[3, side, side] float32; a user error if the stages end with another side."""
        for stage in self.stages:
            if stage["type"] in PICTURE_STAGES:
                picture = PICTURE_STAGES[stage["type"]](picture, stage)
        if picture.size != (side_px, side_px):
            width, height = picture.size
            raise UserError(
                f"{STATED_FILE} gives pictures of {width}x{height}, but the network takes"
                f" {side_px}x{side_px}; fetch the tagger's files again"
            )
        x = np.asarray(picture, np.float32) * np.float32(RESCALED)
        for stage in self.stages:
            if stage["type"] == "normalize":
                x = normalised(x, _channels(stage["mean"]), _channels(stage["std"]))
        return np.ascontiguousarray(x.transpose(2, 0, 1))


def read_stated(path: Path) -> StatedPreprocessing:
    """The file's stages. Tries them on a picture, so that what is wrong in them shows at once."""
    content = read_mapping(path, LABEL_FILE)
    with reporting_damage(f"{path} is not a list of stages"):
        stages = tuple(dict(stage) for stage in content.get("stages") or content["test"])
        unknown = sorted({str(stage["type"]) for stage in stages} - KNOWN_STAGES)
        if not unknown:
            for stage in stages:
                _try(stage)
    if unknown:
        raise UserError(
            f"{path}: unknown stage {', '.join(unknown)}; known: {', '.join(sorted(KNOWN_STAGES))}; use a"
            " tagger that this version can prepare pictures for"
        )
    return StatedPreprocessing(stages)


def _try(stage: Mapping[str, Any]) -> None:
    """Raises an error of any kind if the stage cannot be applied."""
    if stage["type"] in PICTURE_STAGES:
        PICTURE_STAGES[stage["type"]](Image.new("RGB", (8, 6)), stage)
    elif stage["type"] == "normalize":
        _channels(stage["mean"])
        if min(_channels(stage["std"])) <= 0:
            raise ValueError(f"std {stage['std']} must be above 0")
    elif stage["type"] == "rescale" and abs(stage.get("rescale_factor", RESCALED) - RESCALED) > 1e-6:
        raise ValueError(f"rescale_factor {stage['rescale_factor']} is not 1/255")


def _resize(picture: Image.Image, stage: Mapping[str, Any]) -> Image.Image:
    """To both sides; or, with one number, the short side to it."""
    sides = _sides(stage["size"])
    if len(sides) == 2:
        height, width = sides
    else:
        short = min(picture.size)
        width, height = (min(sides[0] * side // short, MOST_RATIO * sides[0]) for side in picture.size)
    return picture.resize((width, height), _resampling(stage))


def _center_crop(picture: Image.Image, stage: Mapping[str, Any]) -> Image.Image:
    """The middle; a picture that is too small gets black margins."""
    sides = _sides(stage["size"])
    height, width = sides[0], sides[-1]
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _pad_to_size(picture: Image.Image, stage: Mapping[str, Any]) -> Image.Image:
    """Fits the picture in and centres it on a colour."""
    sides = _sides(stage["size"])
    width, height = sides[0], sides[-1]
    ratio = min(width / picture.width, height / picture.height)
    fitted = picture.resize(
        (max(1, int(picture.width * ratio)), max(1, int(picture.height * ratio))), _resampling(stage)
    )
    colour = stage.get("background_color", "white")
    fill = ImageColor.getrgb(colour) if isinstance(colour, str) else tuple(int(each) for each in colour)
    padded = Image.new("RGB", (width, height), fill)
    padded.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
    return padded


PICTURE_STAGES: dict[str, PictureStage] = {
    "resize": _resize,
    "center_crop": _center_crop,
    "pad_to_size": _pad_to_size,
}
KNOWN_STAGES = {*PICTURE_STAGES, "convert_rgb", "to_tensor", "maybe_to_tensor", "rescale", "normalize"}


def _sides(size: Any) -> list[int]:
    sides = [size] if isinstance(size, int) else list(size)
    if len(sides) not in (1, 2) or not all(isinstance(s, int) and 1 <= s <= MOST_STATED_PX for s in sides):
        raise ValueError(f"size {size} must be one or two whole numbers from 1 to {MOST_STATED_PX}")
    return sides


def _resampling(stage: Mapping[str, Any]) -> Image.Resampling:
    return RESAMPLINGS[str(stage.get("interpolation", "bilinear")).lower()]


def _channels(numbers: Any) -> Channels:
    """Three numbers, or one for all."""
    red, green, blue = (float(n) for n in (numbers if isinstance(numbers, list) else [numbers] * 3))
    return red, green, blue
