import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.pictures.jpeg_damage import blockiness
from tests.pipeline.pictures.settings import settings
from tests.pipeline.pictures.stamps import STAMPED, UNSTAMPED, photograph

LIMIT = settings().max_blockiness


def through_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(data)


def blocks_of(picture: Image.Image) -> float:
    return blockiness(np.asarray(picture.convert("L")))


def test_blocks_by_hand() -> None:
    # Steps of 5 on every eighth line, in both directions, and none elsewhere: each is 5 over its neighbours.
    stairs = 5 * (np.arange(96) // 8)
    assert blockiness((stairs[:, None] + stairs).astype(np.uint8)) == pytest.approx(5)
    # Of pixels repeated twice the lines of four grids are alike.
    pairs = 5 * (np.arange(96) // 2)
    assert blockiness((pairs[:, None] + pairs).astype(np.uint8)) < 0.5
    # The same in one direction only is no grid.
    assert blockiness(np.tile(stairs, (96, 1)).astype(np.uint8)) == 0


def test_a_grid_may_begin_anywhere() -> None:
    damaged = np.asarray(through_jpeg(photograph("chelsea"), 20).convert("L"))
    # Cut off: the grid begins elsewhere, and a 50th of its lines are lost.
    assert blockiness(damaged[3:, 5:]) == pytest.approx(blockiness(damaged), rel=0.1)


@pytest.mark.parametrize("name", UNSTAMPED)
def test_clean_photographs_and_good_jpegs_pass(name: str) -> None:
    picture = photograph(name)
    assert blocks_of(picture) < LIMIT
    assert blocks_of(through_jpeg(picture, 80)) < LIMIT


def test_strong_compression_is_found_in_most_photographs() -> None:
    """The rocket's sky and others' plain grounds hide it: nine of eleven."""
    found = [name for name in STAMPED if blocks_of(through_jpeg(photograph(name), 20)) > LIMIT]
    assert len(found) >= 9, found


def test_the_demos_pictures_pass() -> None:
    paths = sorted(Path("demo/pictures").rglob("*.png"))
    assert paths
    for path in paths:
        with Image.open(path) as picture:
            assert blocks_of(picture) < LIMIT / 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 600), (47, 600), (48, 48)])
def test_small_and_plain_pictures_have_none(shape: tuple[int, int]) -> None:
    assert blockiness(np.full(shape, 7, np.uint8)) == 0
