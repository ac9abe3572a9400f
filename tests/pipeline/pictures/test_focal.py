import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Crop
from pipeline.pictures.focal import (
    Focus,
    corner_points,
    entropy_point,
    face_point,
    find_faces,
    find_focus,
    mean_point,
    shannon_entropy,
    square_box,
)


@pytest.fixture
def config(root: object) -> Crop:
    return Crop.model_validate(compose(Params({}, {}))["crop"])


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


@pytest.mark.parametrize(
    ("width", "height", "point", "box"),
    [
        (200, 100, (100, 50), (50, 0, 100, 100)),
        (200, 100, (10, 50), (0, 0, 100, 100)),
        (200, 100, (190, 50), (100, 0, 100, 100)),
        (100, 300, (50, 200), (0, 150, 100, 100)),
        (97, 97, (3, 3), (0, 0, 97, 97)),
    ],
)
def test_the_square_is_as_near_to_the_focus_as_the_frame_allows(
    width: int, height: int, point: tuple[float, float], box: tuple[int, ...]
) -> None:
    assert square_box(width, height, Focus(point, (), ())) == box


def test_a_face_that_fits_is_never_cut() -> None:
    focus = Focus((190, 50), ((60, 10, 50, 50),), ())
    assert square_box(200, 100, focus) == (60, 0, 100, 100)


def test_faces_that_do_not_fit_together_leave_the_focus_alone() -> None:
    focus = Focus((100, 50), ((0, 10, 30, 30), (160, 10, 30, 30)), ())
    assert square_box(200, 100, focus) == (50, 0, 100, 100)


def padded(photograph: NDArray[np.uint8], left: int, right: int) -> NDArray[np.uint8]:
    """The photograph with blank room beside it."""
    return np.pad(photograph, ((0, 0), (left, right), (0, 0)), constant_values=128)


@pytest.mark.parametrize("left", [0, 300, 700])
def test_the_astronauts_face_is_found_and_kept(config: Crop, left: int) -> None:
    picture = padded(astronaut(), left, 700 - left)
    focus = find_focus(picture, config)
    assert "face" in focus.detectors
    x, _, width, _ = square_box(picture.shape[1], picture.shape[0], focus)
    face_left, face_right = left + 175, left + 275
    assert x <= face_left
    assert face_right <= x + width


def test_centre_looks_at_nothing(config: Crop) -> None:
    centre = config.model_copy(update={"focus": "centre"})
    assert find_focus(astronaut(), centre) == Focus((256, 256), (), ())


def test_a_blank_picture_is_cut_in_the_middle(config: Crop) -> None:
    focus = find_focus(np.zeros((64, 64, 3), np.uint8), config)
    assert focus.point == (32, 32)


def test_no_face_is_seen_in_noise() -> None:
    assert find_faces(np.zeros((200, 200, 3), np.uint8)) == []
