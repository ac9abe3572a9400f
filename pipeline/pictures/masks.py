"""Masks: where a picture counts in the loss (white) and where it does not (black).

A mask file is grey, as large as its picture, and named after it: for `a.jpg` it is `a.mask.png` or
`a-masklabel.png` (OneTrainer's name) in the same folder, or `masks/a.png`. Alternatively the picture's own
transparency is the mask.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from pipeline.files.hashing import sha256_of_file
from pipeline.pictures.colour import BLACK
from pipeline.pictures.found import SourcePicture
from pipeline.pictures.reading import PictureError, read_picture
from pipeline.pictures.verdicts import Fault
from pipeline.store.items import Items, key

VERSION = 2
"""Of the kept measures: raise it when they change."""
MASK_FOLDER = "masks"
"""The folder of mask files: in a source next to the pictures, in the stages' outputs next to pictures/."""
MASK_ENDS = (".mask", "-masklabel")
"""Endings of a mask file's stem."""


@dataclass(frozen=True, slots=True)
class MaskMeasures:
    """What validation needs of a mask file's content."""

    sha256: str
    width_px: int
    height_px: int
    is_black: bool


def masks_of(
    pictures: Sequence[str], in_masks_folder: Sequence[str], folder: str, *, holds_masks: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Mask by picture, from the names of a folder's pictures and of those in its folder `masks`; and problems
    with the names. `holds_masks`: the folder itself is a folder `masks`.
    """
    masks = {f"{MASK_FOLDER}/{name}": _picture_stem(name) or _stem(name) for name in in_masks_folder}
    if not holds_masks:
        masks |= {name: stem for name in pictures if (stem := _picture_stem(name))}
    by_stem = {_stem(name): name for name in pictures} if masks else {}
    by_picture: dict[str, str] = {}
    problems = []
    for mask, stem in sorted(masks.items()):
        picture = by_stem.get(stem)
        if picture is None:
            problems.append(
                f"{_in(folder, mask)}: a mask without a picture; add {stem}.png (or .jpg ...) to"
                f" {folder or '.'}/, or rename the mask if it is a picture"
            )
        elif picture in by_picture:
            first, second = _in(folder, by_picture[picture]), _in(folder, mask)
            problems.append(f"{_in(folder, picture)}: two masks, {first} and {second}; delete one")
        else:
            by_picture[picture] = mask
    return by_picture, problems


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _picture_stem(name: str) -> str | None:
    """Stem of the picture to which a mask file of this name belongs."""
    stem = _stem(name)
    end = next((end for end in MASK_ENDS if stem.endswith(end) and stem != end), None)
    return end and stem.removesuffix(end)


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def read_mask(path: Path) -> Image.Image:
    """Upright, 8-bit grey; transparent parts are black. Raises PictureError."""
    return read_picture(path, background=BLACK).convert("L")


def measure_mask(path: Path, items: Items) -> MaskMeasures:
    """Measures of a mask file, from the store if known. Raises PictureError."""
    try:
        digest = sha256_of_file(path)
        item_key = f"{key(version=VERSION, mask=digest)}.json"
        if kept := items.get(item_key):
            return MaskMeasures(**json.loads(kept))
        mask = read_mask(path)
    except OSError as error:
        raise PictureError(str(error)) from None
    made = MaskMeasures(digest, *mask.size, is_black=mask.getextrema() == (0, 0))
    items.put(item_key, json.dumps(asdict(made), sort_keys=True).encode())
    return made


def mask_fault(mask: MaskMeasures, picture: SourcePicture, size_px: tuple[int, int]) -> Fault | None:
    """What is wrong with the mask file of a picture of this upright size."""
    assert picture.mask is not None
    name = picture.mask.name
    if (mask.width_px, mask.height_px) != size_px:
        sizes = "{}x{} px, the picture {}x{}".format(mask.width_px, mask.height_px, *size_px)
        sentence = f"its mask {name} is {sizes}; make them equally large"
        return Fault("mask_size", picture.where, sentence, picture.id)
    if mask.is_black:
        sentence = f"its mask {name} is black all over: nothing of the picture would be learned"
        return Fault("mask_empty", picture.where, sentence, picture.id)
    return None
