from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from skimage import data

from pipeline.pictures import defects

PHOTOS = {"astronaut": data.astronaut, "coffee": data.coffee, "chelsea": data.chelsea, "rocket": data.rocket}


def grey(picture: Image.Image) -> defects.Gray:
    return defects.gray_copy(picture)


@pytest.fixture(params=PHOTOS)
def photo(request: pytest.FixtureRequest) -> Image.Image:
    return Image.fromarray(PHOTOS[request.param]())


def test_the_gray_copy_is_never_enlarged() -> None:
    assert grey(Image.new("RGB", (2048, 1024))).shape == (512, 1024)
    assert grey(Image.new("RGB", (300, 200))).shape == (200, 300)


def test_sharpness_by_hand() -> None:
    # A white point: the Laplacian is -4 there and 1 beside it, times 255, all in the middle tile.
    gray = np.zeros((9, 9), np.uint8)
    gray[4, 4] = 255
    tile = np.zeros((3, 3))
    tile[1, 1], tile[0, 1], tile[1, 0], tile[2, 1], tile[1, 2] = -4, 1, 1, 1, 1
    assert defects.sharpness(gray) == pytest.approx((tile * 255).var())
    assert defects.sharpness(np.full((1, 1), 7, np.uint8)) == 0


def test_blur_is_told_from_focus_and_from_a_blurred_background(photo: Image.Image) -> None:
    blurred = photo.filter(ImageFilter.GaussianBlur(min(photo.size) / 170))
    assert defects.sharpness(grey(blurred)) < 30
    assert defects.sharpness(grey(photo)) > 200
    middle = (photo.width // 3, photo.height // 3, photo.width * 2 // 3, photo.height * 2 // 3)
    blurred.paste(photo.crop(middle), middle)
    assert defects.sharpness(grey(blurred)) > 200


def test_brightness_is_the_mean() -> None:
    assert defects.brightness(np.array([[0, 255], [255, 255]], np.uint8)) == 0.75


@pytest.mark.parametrize(
    ("box", "share"),
    [((0, 50, 400, 250), 1 / 3), ((40, 0, 360, 300), 0.2), ((0, 0, 400, 270), 0.1), ((0, 0, 400, 300), 0)],
)
def test_letterboxes_and_bars_take_their_share(box: tuple[int, int, int, int], share: float) -> None:
    picture = Image.new("RGB", (400, 300), "black")
    picture.paste(Image.fromarray(data.astronaut()).resize((box[2] - box[0], box[3] - box[1])), box[:2])
    assert defects.border_fraction(np.asarray(picture.convert("L"))) == pytest.approx(share)


def test_a_letterbox_is_found_through_jpegs_blur(photo: Image.Image, tmp_path: Path) -> None:
    boxed = Image.new("RGB", (480, 400))
    boxed.paste(photo.resize((480, 300)), (0, 50))
    boxed.save(tmp_path / "a.jpg", quality=60)
    # At most one block of 8 lines is lost at each of the two edges.
    assert 0.25 - 16 / 400 <= defects.border_fraction(grey(Image.open(tmp_path / "a.jpg"))) <= 0.25


def test_photographs_and_plain_backgrounds_have_no_border(photo: Image.Image) -> None:
    assert defects.border_fraction(grey(photo)) == 0
    drawn = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(drawn).ellipse((60, 60, 240, 240), fill=90)
    assert defects.border_fraction(np.asarray(drawn)) == 0
    assert defects.border_fraction(np.full((40, 40), 9, np.uint8)) == 0


@pytest.mark.parametrize("top", [0.93, 0.02])
def test_a_stamp_is_seen_at_both_ends(top: float) -> None:
    picture = Image.fromarray(data.chelsea()).resize((768, 512))
    assert defects.text_lines(grey(picture)) == 0
    ImageDraw.Draw(picture).text(
        (500, 512 * top), "\u00a9 example.com", fill="white", font=ImageFont.load_default(22)
    )
    assert defects.text_lines(grey(picture)) > 0


@pytest.mark.parametrize("texture", [data.grass, data.gravel, data.brick])
def test_texture_is_no_text(texture: Callable[[], NDArray[np.uint8]]) -> None:
    assert defects.text_lines(texture()) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 600), (600, 1), (2, 3), (16, 16)])
def test_the_smallest_pictures_can_be_measured(shape: tuple[int, int]) -> None:
    gray = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert defects.sharpness(gray) >= 0
    assert 0 <= defects.border_fraction(gray) <= 1
    assert defects.text_lines(gray) == 0
