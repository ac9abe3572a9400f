import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pictures.boxes import box_around, focal_box, largest_inside, split_boxes
from pipeline.pictures.faces import Box, Face
from pipeline.pictures.focal import Focus

SQUARE = (512, 512)


def focus(x: float, y: float, *faces: Box) -> Focus:
    return Focus((x, y), tuple(Face(box, None) for box in faces), ())


@pytest.mark.parametrize(
    ("size", "target", "point", "box"),
    [
        ((200, 100), SQUARE, (100, 50), (50, 0, 100, 100)),
        ((200, 100), SQUARE, (10, 50), (0, 0, 100, 100)),
        ((200, 100), SQUARE, (190, 50), (100, 0, 100, 100)),
        ((100, 300), SQUARE, (50, 200), (0, 150, 100, 100)),
        ((97, 97), SQUARE, (3, 3), (0, 0, 97, 97)),
        ((400, 400), (384, 512), (200, 200), (50, 0, 300, 400)),
        ((600, 500), (768, 512), (0, 0), (0, 0, 600, 400)),
    ],
)
def test_the_box_is_the_largest_and_as_near_to_the_focus_as_the_frame_allows(
    size: tuple[int, int], target: tuple[int, int], point: tuple[float, float], box: Box
) -> None:
    assert focal_box(*size, target, focus(*point)) == box


def test_a_face_that_fits_is_never_cut() -> None:
    assert focal_box(200, 100, SQUARE, focus(190, 50, (60, 10, 50, 50))) == (50, 0, 100, 100)
    assert focal_box(200, 100, SQUARE, focus(190, 50, (60, 10, 95, 50))) == (60, 0, 100, 100)


def test_of_faces_that_do_not_fit_together_the_largest_is_kept() -> None:
    faces = (0, 10, 30, 30), (160, 10, 40, 40)
    assert focal_box(200, 100, SQUARE, focus(100, 50, *faces)) == (100, 0, 100, 100)


sides = st.integers(64, 3000)


@given(sides, sides, st.sampled_from([(512, 512), (384, 512), (1024, 256)]), st.data())
def test_boxes_lie_inside_touch_two_sides_and_hold_the_largest_face(
    width: int, height: int, target: tuple[int, int], data: st.DataObject
) -> None:
    face_width, face_height = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    x, y = data.draw(st.integers(0, width - face_width)), data.draw(st.integers(0, height - face_height))
    point = data.draw(st.tuples(st.floats(0, width), st.floats(0, height)))
    left, top, w, h = focal_box(width, height, target, focus(*point, (x, y, face_width, face_height)))
    assert left >= 0
    assert top >= 0
    assert left + w <= width
    assert top + h <= height
    assert w == width or h == height
    assert abs(w / h - target[0] / target[1]) <= 1 / h + target[0] / target[1] / h
    if face_width <= w:
        assert left <= x
        assert x + face_width <= left + w
    if face_height <= h:
        assert top <= y
        assert y + face_height <= top + h


def test_a_long_picture_is_split_into_overlapping_parts_from_end_to_end() -> None:
    assert split_boxes(1000, 400, SQUARE, 0.5, 0.2) == [
        (0, 0, 400, 400),
        (300, 0, 400, 400),
        (600, 0, 400, 400),
    ]
    assert split_boxes(400, 800, SQUARE, 0.5, 0.0) == [(0, 0, 400, 400), (0, 400, 400, 400)]
    assert split_boxes(400, 790, SQUARE, 0.5, 0.2) == []
    assert split_boxes(400, 4000, SQUARE, 0.0, 0.2) == []


@given(st.integers(100, 5000), st.integers(100, 5000), st.floats(0, 0.9))
def test_parts_leave_no_gap_and_overlap_as_asked(width: int, height: int, overlap: float) -> None:
    boxes = split_boxes(width, height, SQUARE, 0.5, overlap)
    axis = 0 if width > height else 1
    if boxes:
        assert boxes[0][axis] == 0
        assert boxes[-1][axis] + boxes[-1][axis + 2] == (width, height)[axis]
        for one, two in itertools.pairwise(boxes):
            assert one[axis] + one[axis + 2] - two[axis] >= overlap * one[axis + 2] - 1


@pytest.mark.parametrize(
    ("wanted", "box"),
    [
        ((10, 10, 100, 100), (10, 10, 100, 100)),
        ((10, 10, 100, 50), (10, 0, 100, 100)),
        ((350, 10, 50, 100), (300, 10, 100, 100)),
        ((0, 0, 400, 300), (50, 0, 300, 300)),
    ],
)
def test_a_box_drawn_by_hand_is_held_whole_where_it_fits(wanted: Box, box: Box) -> None:
    assert box_around(wanted, 400, 300, SQUARE) == box


def test_the_largest_box_loses_no_line_to_rounding() -> None:
    for width, height in ((200, 98), (511, 512), (333, 1000), (1920, 1200)):
        w, h = largest_inside(width, height, SQUARE)
        assert (w, h) == (min(width, height),) * 2
