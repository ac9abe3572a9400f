"""JPEGs that are decoded small against the same that are decoded whole, on real photographs; DeepDanbooru's
square.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs
from sklearn.datasets import load_sample_images

from pipeline.captions.preprocessing import (
    DECODE_OVERSAMPLING,
    DEEPDANBOORU,
    WD14,
    edge_square,
    read_for_network,
    read_to_squash,
    white_square,
)
from pipeline.pictures.reading import PictureError, read_picture

SIDE = 448
PHOTOGRAPHS = {
    "astronaut": photographs.astronaut, "chelsea": photographs.chelsea, "coffee": photographs.coffee,
    "china": lambda: load_sample_images().images[0], "flower": lambda: load_sample_images().images[1],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jpeg")


def jpeg(folder: Path, name: str, size: tuple[int, int]) -> Path:
    path = folder / f"{name}-{size[0]}x{size[1]}.jpg"
    Image.fromarray(PHOTOGRAPHS[name]()).resize(size, Image.Resampling.LANCZOS).save(path, quality=92)
    return path


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("size", [(2200, 1467), (1811, 2000)])
def test_a_jpeg_decoded_small_stays_within_the_written_bound(
    folder: Path, name: str, size: tuple[int, int]
) -> None:
    path = jpeg(folder, name, size)
    small = read_for_network(path, SIDE)
    assert DECODE_OVERSAMPLING * SIDE <= max(small.size) < max(size)
    difference = np.abs(WD14(small, SIDE) - WD14(read_picture(path), SIDE))
    assert difference.mean() <= 0.5
    assert np.percentile(difference, 99) <= 3


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((3600, 1800), (900, 450)),  # a quarter: 900 is at least 896
        ((3580, 1790), (1790, 895)),  # a quarter would be 895
        ((1791, 600), (1791, 600)),  # a half would be 895 in whole pixels
        ((512, 512), (512, 512)),
        ((7200, 900), (900, 113)),
    ],
)
def test_the_long_side_keeps_twice_the_networks(
    folder: Path, size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    assert read_for_network(jpeg(folder, "coffee", size), SIDE).size == decoded


def test_what_is_squashed_keeps_twice_the_network_on_both_sides(folder: Path) -> None:
    assert read_to_squash(jpeg(folder, "coffee", (3600, 1800)), SIDE).size == (1800, 900)
    assert read_to_squash(jpeg(folder, "coffee", (7200, 900)), SIDE).size == (7200, 900)


def test_other_formats_are_read_whole_and_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 10)).save(tmp_path / "a.png")
    assert read_for_network(tmp_path / "a.png", 8).size == (4000, 10)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    with pytest.raises(PictureError):
        read_for_network(tmp_path / "cut.jpg", 8)


def test_a_turned_jpeg_is_turned_after_it_was_decoded_small(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(tmp_path / "a.jpg", exif=exif)
    assert read_for_network(tmp_path / "a.jpg", 100).size == (100, 200)


def test_white_is_split_with_the_odd_pixel_right_and_below() -> None:
    square = np.asarray(white_square(Image.new("RGB", (5, 2)), 5))
    assert [row.max() for row in square] == [255, 0, 0, 255, 255]


def test_deepdanboorus_square_repeats_the_edge() -> None:
    picture = Image.fromarray(np.array([[[10, 0, 0]] * 8, [[20, 0, 0]] * 8], np.uint8))
    square = np.asarray(edge_square(picture, 8))
    assert square[:, 0, 0].tolist() == [10, 10, 10, 10, 20, 20, 20, 20]
    assert (square == square[:, :1]).all()


def test_deepdanboorus_values_are_rgb_from_zero_to_one() -> None:
    x = DEEPDANBOORU(Image.new("RGB", (4, 4), (255, 51, 0)), 4)
    assert x[0, 0].tolist() == pytest.approx([1.0, 0.2, 0.0])


def test_a_strip_keeps_one_pixel() -> None:
    assert edge_square(Image.new("RGB", (2000, 1), (9, 9, 9)), 8).getcolors() == [(64, (9, 9, 9))]
