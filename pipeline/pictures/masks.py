"""Masks: where a picture counts in the loss (white) and where it does not (black).

A mask file is grey, as large as its picture, and named for it: `a.mask.png` or `a-masklabel.png`
(OneTrainer's name) beside `a.jpg`, or `masks/a.png` in a folder beside it. Else the picture's own
transparency can be the mask.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from PIL import Image

from pipeline.pictures.reading import PictureError, read_picture
from pipeline.pictures.verdicts import Fault

MASKS = "masks"
"""The folder of mask files: in a source beside the pictures, in the stages' outputs beside pictures/."""
ENDS = (".mask", "-masklabel")
"""Of the stem of a mask's file."""
BLACK = (0, 0, 0)


def masks_of(pictures: Iterable[PurePosixPath]) -> tuple[dict[PurePosixPath, PurePosixPath], list[str]]:
    """Mask by picture, among files of which each looks like a picture; and what is wrong with their names."""
    files = list(pictures)
    known = {(file.parent, file.stem): file for file in files}
    folders = {file.parent for file in files}
    found: dict[PurePosixPath, PurePosixPath] = {}
    problems = []
    for mask in files:
        place = _picture_place(mask, folders)
        if place is None:
            continue
        picture = known.get(place)
        if picture is None:
            problems.append(
                f"{mask}: a mask without a picture; add {place[1]}.png (or .jpg ...) to {place[0]}/, or"
                " rename the mask if it is a picture"
            )
        elif picture in found:
            problems.append(f"{picture}: two masks, {found[picture]} and {mask}; delete one")
        else:
            found[picture] = mask
    return found, problems


def _picture_place(mask: PurePosixPath, folders: Iterable[PurePosixPath]) -> tuple[PurePosixPath, str] | None:
    """Folder and stem of the picture that a file of this name would be the mask of."""
    stem, folder = mask.stem, mask.parent
    end = next((end for end in ENDS if stem.endswith(end) and stem != end), None)
    if end is not None:
        stem = stem.removesuffix(end)
    # A folder of this name that stands alone is a folder of pictures.
    if folder.name == MASKS and folder.parent in folders:
        return folder.parent, stem
    return (folder, stem) if end is not None else None


def read_mask(path: Path) -> Image.Image:
    """Upright, 8-bit grey; transparent parts are black. Raises PictureError."""
    return read_picture(path, background=BLACK).convert("L")


def mask_fault(path: Path, where: str, picture_id: str, size_px: tuple[int, int]) -> Fault | None:
    """What speaks against a mask file for a picture of this upright size."""
    try:
        mask = read_mask(path)
    except (PictureError, OSError) as error:
        return Fault("mask_unreadable", where, f"its mask {path.name}: {error}; replace it", picture_id)
    if mask.size != size_px:
        sizes = "{}x{} px, the picture {}x{}".format(*mask.size, *size_px)
        return Fault(
            "mask_size", where, f"its mask {path.name} is {sizes}; make them equally large", picture_id
        )
    if mask.getextrema() == (0, 0):
        return Fault(
            "mask_empty",
            where,
            f"its mask {path.name} is black all over: nothing of the picture would be learned",
            picture_id,
        )
    return None
