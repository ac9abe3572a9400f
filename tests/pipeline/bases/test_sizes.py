"""SDXL's six numbers, by hand: pictures that fill a bucket, and what sticks out is cut."""

import pytest

from pipeline.bases.sizes import sizes_of, whole


def record(shape: tuple[int, int], whole_px: list[int], box_px: list[int], mirrored: bool = False) -> object:
    origin = {"whole_px": whole_px, "box_px": box_px, "mirrored": mirrored}
    return sizes_of({"width_px": shape[0], "height_px": shape[1], "origin": origin})


@pytest.mark.parametrize(
    ("shape", "whole_px", "box_px", "corner"),
    [
        ((832, 1216), [1000, 1500], [0, 19, 1000, 1462], (16, 0)),  # 19 x 1216 / 1462
        ((1024, 1024), [1500, 1000], [250, 0, 1000, 1000], (0, 256)),  # 250 x 1.024
        ((1024, 1024), [1024, 1024], [0, 0, 1024, 1024], (0, 0)),
    ],
)
def test_the_corner_is_that_of_the_resized_picture(
    shape: tuple[int, int], whole_px: list[int], box_px: list[int], corner: tuple[int, int]
) -> None:
    width, height = shape
    assert record(shape, whole_px, box_px) == (whole_px[1], whole_px[0], *corner, height, width)


def test_a_mirrored_picture_has_the_corner_after_mirroring() -> None:
    """100 px are cut on the left and 400 on the right, which mirroring swaps: 400 x 1.024."""
    assert record((1024, 1024), [1500, 1000], [100, 0, 1000, 1000], True) == (1000, 1500, 0, 410, 1024, 1024)


def test_a_picture_that_was_drawn_is_whole() -> None:
    drawn = {"width_px": 832, "height_px": 1216, "origin": {"seed": 1}}
    assert sizes_of(drawn) == whole(832, 1216) == (1216, 832, 0, 0, 1216, 832)
