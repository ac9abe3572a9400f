import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.pictures.fine_detail import fine_detail
from tests.pipeline.pictures.settings import settings
from tests.pipeline.pictures.stamps import STAMPED, UNSTAMPED, photograph

LIMIT = settings().min_fine_detail
ENLARGED = ("moon",)
"""scikit-image's moon.png has each pixel twice in a row and in a column."""
ENLARGE = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def detail_of(picture: Image.Image) -> float:
    return fine_detail(np.asarray(picture.convert("L")))


def enlarged(picture: Image.Image, method: Image.Resampling, times: float = 2) -> Image.Image:
    """From a smaller copy."""
    small = (round(picture.width / times), round(picture.height / times))
    return picture.resize(small, Image.Resampling.LANCZOS).resize(picture.size, method)


@pytest.mark.parametrize("name", [name for name in UNSTAMPED if name not in ENLARGED])
def test_photographs_of_their_own_size_pass(name: str) -> None:
    picture = photograph(name)
    assert detail_of(picture) >= LIMIT
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=75)
    assert detail_of(Image.open(data)) >= LIMIT


@pytest.mark.parametrize("times", [2, 3, 8])
def test_repeated_pixels_are_found(times: int) -> None:
    small = photograph("chelsea").resize((90, 60))
    assert detail_of(small.resize((90 * times, 60 * times), Image.Resampling.NEAREST)) == 0
    assert detail_of(photograph("moon")) == 0


@pytest.mark.parametrize("method", ENLARGE)
@pytest.mark.parametrize("name", STAMPED)
def test_what_was_enlarged_twice_is_found(name: str, method: Image.Resampling) -> None:
    assert detail_of(enlarged(photograph(name), method)) < LIMIT


def test_a_jpeg_of_an_enlarged_picture_is_found_in_most_photographs() -> None:
    """JPEG's noise is fine detail: ten of eleven at quality 95."""
    found = 0
    for name in STAMPED:
        data = io.BytesIO()
        enlarged(photograph(name), Image.Resampling.BICUBIC).save(data, "JPEG", quality=95)
        found += detail_of(Image.open(data)) < LIMIT
    assert found >= 10


def test_the_demos_pictures_pass() -> None:
    paths = sorted(Path("demo/pictures").rglob("*.png"))
    assert paths
    for path in paths:
        with Image.open(path) as picture:
            assert detail_of(picture) > 2 * LIMIT


@pytest.mark.parametrize("shape", [(1, 1), (1, 600), (63, 63), (200, 64)])
def test_small_and_plain_pictures_say_nothing(shape: tuple[int, int]) -> None:
    assert fine_detail(np.full(shape, 7, np.uint8)) == 1
