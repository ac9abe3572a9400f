from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.pictures.found import SourcePicture
from pipeline.pictures.masks import mask_fault, masks_of, measure_mask, read_mask
from pipeline.pictures.reading import PictureError
from pipeline.pictures.verdicts import Fault
from pipeline.store.items import Items

NAMES = {
    "a.jpg": "a.mask.png",
    "b.png": "b-masklabel.png",
    "c.webp": "masks/c.png",
    "d.png": "masks/d.mask.png",
    "e.png": "masks/e.jpg",
}


def masks(*names: str) -> tuple[dict[str, str], list[str]]:
    """Of the folder `set`."""
    beside = [name.removeprefix("masks/") for name in names if name.startswith("masks/")]
    return masks_of([name for name in names if "/" not in name], beside, "set")


def test_a_mask_is_found_by_its_name_in_every_form() -> None:
    assert masks(*NAMES, *NAMES.values()) == (NAMES, [])


def test_a_mask_without_a_picture_and_a_second_mask_are_told() -> None:
    _, problems = masks("a.png", "a.mask.png", "a-masklabel.png", "b.mask.png", "masks/c.png")
    told = " / ".join(problems)
    assert "set/a.png: two masks, set/a-masklabel.png and set/a.mask.png" in told
    assert "set/b.mask.png: a mask without a picture; add b.png (or .jpg ...) to set/" in told
    assert "set/masks/c.png: a mask without a picture; add c.png" in told
    assert len(problems) == 3


def test_in_a_folder_of_masks_no_mask_wants_a_picture() -> None:
    assert masks_of(["a.mask.png", "b.png"], [], "masks", holds_masks=True) == ({}, [])


@pytest.mark.parametrize(
    ("mode", "colour", "level"),
    [("L", 200, 200), ("RGB", (200, 200, 200), 200), ("RGBA", (255, 255, 255, 0), 0), ("1", 1, 255)],
)
def test_masks_of_any_mode_are_grey_and_transparent_is_black(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], level: int
) -> None:
    Image.new(mode, (4, 3), colour).save(tmp_path / "a.mask.png")
    assert np.array(read_mask(tmp_path / "a.mask.png")).tolist() == [[level] * 4] * 3


def fault(mask: Path, width_px: int, height_px: int) -> Fault | None:
    found = SourcePicture(mask.with_name("a.png"), "in/a.png", "zib/a", "zib", 1, False, None, {}, mask)
    return mask_fault(measure_mask(mask, Items("collect")), found, (width_px, height_px))


def test_what_speaks_against_a_mask(tmp_path: Path) -> None:
    mask = tmp_path / "a.mask.png"
    Image.new("L", (8, 6), 1).save(mask)
    assert fault(mask, 8, 6) is None
    sentence = "its mask a.mask.png is 8x6 px, the picture 6x8; make them equally large"
    assert fault(mask, 6, 8) == Fault("mask_size", "in/a.png", sentence, "zib/a")
    Image.new("L", (8, 6), 0).save(mask)
    empty = fault(mask, 8, 6)
    assert empty is not None
    assert empty.check == "mask_empty"
    mask.write_bytes(b"no picture")
    with pytest.raises(PictureError):
        measure_mask(mask, Items("collect"))


def test_a_mask_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (8, 6), 1).save(tmp_path / "a.mask.png")
    first = measure_mask(tmp_path / "a.mask.png", Items("collect"))
    monkeypatch.delattr("pipeline.pictures.masks.read_mask")
    assert measure_mask(tmp_path / "a.mask.png", Items("collect")) == first
