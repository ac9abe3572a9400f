import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clusters.likeness import (
    Distances,
    clusters,
    mean_distance,
    near_pairs,
    oddness,
    proposed_repeats,
)


def on_a_line(*places: float) -> Distances:
    """Distances between points of a line."""
    points = np.asarray(places, np.float64)
    return np.abs(points[:, None] - points)


def test_the_odd_one_is_far_from_the_centre_by_hand() -> None:
    # Mean distances to the others: 6, 5, 4.5, 4.5 (at 3), 5, and of 12: 9.8; their median is 5.
    distances = on_a_line(0, 1, 2, 3, 4, 12)
    mean = np.array([22, 18, 16, 16, 18, 50]) / 5
    away = mean - 18 / 5
    deviation = 1.4826 * 0.4  # the absolute deviations are 0.8, 0, 0.4, 0.4, 0, 6.4
    assert oddness(distances) == pytest.approx(away / deviation)
    assert np.flatnonzero(oddness(distances) > 3.5).tolist() == [5]


def test_few_pictures_have_no_odd_one() -> None:
    assert oddness(on_a_line(0, 1, 2, 99)).tolist() == [0] * 4
    assert oddness(np.zeros((0, 0))).tolist() == []


def test_near_pairs_are_closer_than_a_share_of_the_mean() -> None:
    distances = on_a_line(0, 0.2, 5, 10, 10.1)
    # 0.2, 5, 10, 10.1, 4.8, 9.8, 9.9, 5, 5.1 and 0.1.
    assert mean_distance(distances) == pytest.approx(6)
    assert near_pairs(distances, 0.1) == [(3, 4), (0, 1)]
    assert near_pairs(distances, 0.0) == []


def test_clusters_are_the_largest_first() -> None:
    assert clusters(on_a_line(10, 0, 10.2, 0.1, 10.1, 50), 0.3) == [[0, 2, 4], [1, 3], [5]]
    assert clusters(on_a_line(3), 0.5) == [[0]]
    assert clusters(np.zeros((0, 0)), 0.5) == []
    assert clusters(np.zeros((3, 3)), 0.5) == [[0, 1, 2]]


@given(st.permutations(range(8)))
def test_clusters_do_not_depend_on_the_order(order: list[int]) -> None:
    places = np.array([0, 0.1, 0.3, 5, 5.2, 9, 20, 20.5])
    found = clusters(on_a_line(*places[order]), 0.3)
    groups = {frozenset(order[index] for index in group) for group in found}
    assert groups == {frozenset({0, 1, 2}), frozenset({3, 4}), frozenset({5}), frozenset({6, 7})}


def test_repeats_follow_the_square_root_of_the_size() -> None:
    # 20 pictures seven times: 140 showings; roots 4 and 2: 93.3 and 46.7; by 16 and 4 pictures: 5.8 and 11.7.
    assert proposed_repeats([16, 4], 140) == [6, 12]
    assert proposed_repeats([10], 70) == [7]
    assert proposed_repeats([100, 1], 101) == [1, 9]
