import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from pipeline.bases.latents import unpixels
from pipeline.grid.measures import (
    TrainingPictures,
    clipped,
    colours,
    distance,
    measure,
    mirrored,
    small_copy,
)

ASTRONAUT = Image.fromarray(photographs.astronaut())
CAT = Image.fromarray(photographs.chelsea()).resize((512, 512))
BLACK = Image.new("RGB", (64, 64))


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image.Image:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32], pixels[:, 32:] = left, right
    return Image.fromarray(pixels)


def test_colours_count_those_that_would_fill_the_picture_evenly() -> None:
    assert colours(BLACK) == 1.0
    assert colours(halves((0, 0, 0), (255, 255, 255))) == pytest.approx(2.0)
    # Shares of a half, a quarter and a quarter: exp(1.5 ln 2).
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:48], pixels[:, 48:] = (255, 0, 0), (0, 255, 0)
    assert colours(Image.fromarray(pixels)) == pytest.approx(2**1.5)


def test_clipped_is_the_share_of_values_at_an_end() -> None:
    assert clipped(halves((0, 128, 255), (2, 3, 252))) == pytest.approx((2 + 1) / 6)


def test_distance_by_hand() -> None:
    black, white = small_copy(BLACK), small_copy(Image.new("RGB", (8, 8), "white"))
    assert distance(black, white) == 1.0
    assert distance(black, small_copy(Image.new("RGB", (8, 8), (255, 0, 0)))) == pytest.approx((1 / 3) ** 0.5)


def test_blank_pictures_are_counted() -> None:
    found = measure([BLACK, CAT, Image.new("RGB", (64, 64), "white")], ["a", "a", "a"], None, 6)
    assert found.blank == 2
    assert found.nearest is None


def test_a_picture_of_nan_is_black_and_blank() -> None:
    (picture,) = unpixels(torch.full((1, 3, 64, 64), torch.nan))
    assert picture.tobytes() == BLACK.tobytes()
    assert measure([picture], ["a"], None, 6).blank == 1


def test_diversity_compares_the_seeds_of_one_prompt() -> None:
    white = Image.new("RGB", (64, 64), "white")
    assert measure([BLACK, white, BLACK, BLACK], ["a", "a", "b", "b"], None, 6).diversity == 0.5
    assert measure([BLACK, white], ["a", "b"], None, 6).diversity is None


def test_a_copy_of_a_training_picture_is_found_even_mirrored() -> None:
    training = TrainingPictures.of({"zib/astronaut": ASTRONAUT, "zib/black": BLACK})
    found = measure([CAT, mirrored(ASTRONAUT.resize((300, 300)))], ["a", "a"], training, 6)
    assert found.nearest is not None
    assert (found.nearest.copies, found.nearest.picture) == (1, "zib/astronaut")
    assert found.nearest.bits <= 6
    assert found.nearest.distance < 0.02
    far = measure([CAT], ["a"], training, 6)
    assert far.nearest is not None
    assert far.nearest.copies == 0
    assert far.nearest.bits > 6


def test_joined_training_pictures_are_those_of_one_call() -> None:
    whole = TrainingPictures.of({"a": ASTRONAUT, "b": CAT})
    joined = TrainingPictures.joined([TrainingPictures.of({"a": ASTRONAUT}), TrainingPictures.of({"b": CAT})])
    assert whole.ids == joined.ids == ["a", "a", "b", "b"]
    assert np.array_equal(whole.hashes, joined.hashes)
    assert np.array_equal(whole.small, joined.small)


def test_blur_lowers_sharpness() -> None:
    small = ASTRONAUT.resize((64, 64)).resize((512, 512))
    assert measure([small], ["a"], None, 6).sharpness < measure([ASTRONAUT], ["a"], None, 6).sharpness / 5
