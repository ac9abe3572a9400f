from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from pipeline.pictures.masks import mask_fault, masks_of, read_mask

NAMES = {
    "a.jpg": "a.mask.png",
    "b.png": "b-masklabel.png",
    "c.webp": "masks/c.png",
    "d.png": "masks/d.mask.png",
    "set/e.png": "set/masks/e.jpg",
}


def paths(*names: str) -> list[PurePosixPath]:
    return [PurePosixPath(name) for name in names]


def test_a_mask_is_found_by_its_name_in_every_form() -> None:
    found, problems = masks_of(paths(*NAMES, *NAMES.values()))
    assert {str(picture): str(mask) for picture, mask in found.items()} == NAMES
    assert not problems


def test_a_folder_called_masks_that_stands_alone_holds_pictures() -> None:
    assert masks_of(paths("masks/a.png", "7_cat/b.png")) == ({}, [])


def test_a_mask_without_a_picture_and_a_second_mask_are_told() -> None:
    _, problems = masks_of(paths("a.png", "a.mask.png", "a-masklabel.png", "b.mask.png", "masks/c.png"))
    told = " / ".join(problems)
    assert "a.png: two masks, a.mask.png and a-masklabel.png" in told
    assert "b.mask.png: a mask without a picture; add b.png" in told
    assert "masks/c.png: a mask without a picture; add c.png" in told


@pytest.mark.parametrize(
    ("mode", "colour", "level"),
    [("L", 200, 200), ("RGB", (200, 200, 200), 200), ("RGBA", (255, 255, 255, 0), 0), ("1", 1, 255)],
)
def test_masks_of_any_mode_are_grey_and_transparent_is_black(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], level: int
) -> None:
    Image.new(mode, (4, 3), colour).save(tmp_path / "a.mask.png")
    assert np.array(read_mask(tmp_path / "a.mask.png")).tolist() == [[level] * 4] * 3


def test_what_speaks_against_a_mask(tmp_path: Path) -> None:
    mask = tmp_path / "a.mask.png"
    Image.new("L", (8, 6), 1).save(mask)
    assert mask_fault(mask, "a.png", "zib/a", (8, 6)) is None
    wrong = mask_fault(mask, "a.png", "zib/a", (6, 8))
    assert wrong is not None
    assert (wrong.check, wrong.sentence) == (
        "mask_size",
        "its mask a.mask.png is 8x6 px, the picture 6x8; make them equally large",
    )
    Image.new("L", (8, 6), 0).save(mask)
    empty = mask_fault(mask, "a.png", "zib/a", (8, 6))
    assert empty is not None
    assert empty.check == "mask_empty"
    mask.write_bytes(b"no picture")
    unread = mask_fault(mask, "a.png", "zib/a", (8, 6))
    assert unread is not None
    assert unread.check == "mask_unreadable"
