import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from pipeline.config.compose import Params, compose
from pipeline.pictures.focal import (
    Focus,
    corner_points,
    entropy_point,
    face_point,
    find_focus,
    mean_point,
    shannon_entropy,
)
from pipeline.schemas import CropConfig


@pytest.fixture
def config(root: object) -> CropConfig:
    return CropConfig.model_validate(compose(Params({}, {}))["crop"])


@pytest.mark.parametrize(
    ("counts", "bits"), [([4, 4], 1.0), ([8, 0], 0.0), ([1, 1, 1, 1], 2.0), ([2, 1, 1], 1.5)]
)
def test_entropy_is_shannons(counts: list[int], bits: float) -> None:
    assert shannon_entropy(np.array(counts)) == pytest.approx(bits)


def test_the_busiest_window_wins_not_the_emptiest() -> None:
    gray = np.full((64, 256), 200, np.uint8)
    gray[:, 160:224] = np.random.default_rng(0).integers(0, 256, (64, 64))
    point = entropy_point(gray)
    assert point == (192.0, 32.0)
    assert entropy_point(gray.T.copy()) == (32.0, 192.0)
    assert entropy_point(gray[:, :64]) is None


def test_corners_leave_out_the_watermark_strip() -> None:
    gray = np.zeros((100, 100), np.uint8)
    gray[20:40, 20:40] = 255
    gray[94:98, 50:90] = 255
    assert {(round(x, -1), round(y, -1)) for x, y in corner_points(gray)} == {
        (20, 20),
        (20, 40),
        (40, 20),
        (40, 40),
    }


def test_the_points_are_averaged_by_hand_worked_numbers() -> None:
    assert face_point((10, 20, 30, 60)) == (25, 40)
    assert mean_point([(0, 0), (10, 4)]) == (5, 2)
    assert mean_point([]) is None


def test_centre_looks_at_nothing(config: CropConfig) -> None:
    centre = config.model_copy(update={"focus": "centre"})
    assert find_focus(astronaut(), centre) == Focus((256, 256), (), ())


def test_a_blank_picture_has_its_focus_in_the_middle(config: CropConfig) -> None:
    focus = find_focus(np.zeros((64, 64, 3), np.uint8), config)
    assert focus.point == (32, 32)


def test_faces_are_given_in_the_pixels_of_the_original(config: CropConfig) -> None:
    large = np.asarray(Image.fromarray(astronaut()).resize((1536, 1536)))
    (small_face,), (large_face,) = find_focus(astronaut(), config).faces, find_focus(large, config).faces
    assert np.abs(np.array(large_face.box) / 3 - np.array(small_face.box)).max() < 6
