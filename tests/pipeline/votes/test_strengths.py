"""Strengths by numbers computed by hand."""

import math

import pytest

from pipeline.votes.strengths import strengths


def test_three_wins_of_four_are_a_gap_of_the_logarithm_of_three() -> None:
    found = strengths(2, [(0, 1, 1.0)] * 3 + [(1, 0, 1.0)], prior_sd=1000)
    assert found.values[0] - found.values[1] == pytest.approx(math.log(3), abs=1e-4)
    # Fisher: n p (1 - p) = 4 * 3/4 * 1/4, so the gap's standard error is sqrt(4/3).
    assert found.gap_variance(0, 1) == pytest.approx(4 / 3, rel=1e-3)
    assert not found.is_sure(0, 1)


def test_without_votes_all_are_equal_and_as_unsure_as_the_prior() -> None:
    found = strengths(3, [], prior_sd=2.0)
    assert list(found.values) == [0, 0, 0]
    assert found.interval(1) == pytest.approx((-1.96 * 2, 1.96 * 2))


def test_one_vote_moves_both_by_what_the_prior_allows() -> None:
    found = strengths(2, [(0, 1, 1.0)], prior_sd=1.0)
    x = float(found.values[0])
    assert found.values[1] == pytest.approx(-x)
    assert x == pytest.approx(1 - 1 / (1 + math.exp(-2 * x)))  # the slope of the posterior is 0
    assert x == pytest.approx(0.3374, abs=1e-4)


def test_draws_bring_places_together_and_transitive_wins_order_them() -> None:
    drawn = strengths(2, [(0, 1, 0.5)] * 20)
    assert drawn.values[0] == pytest.approx(0)
    chain = strengths(3, [(0, 1, 1.0)] * 10 + [(1, 2, 1.0)] * 10)
    assert chain.values[0] > chain.values[1] > chain.values[2]
    assert chain.is_sure(0, 2)
    assert chain.worth(0, 2) < chain.worth(0, 1)  # its outcome is all but certain


def test_votes_to_go_are_those_that_make_the_gap_sure() -> None:
    few = strengths(2, [(0, 1, 1.0)] * 3 + [(1, 0, 1.0)], prior_sd=1000)
    # Gap log 3, variance 4/3, a vote tells 3/16: 1.96^2 (4/3) / (1 + k (4/3)(3/16)) = (log 3)^2 at k = 12.98.
    assert few.votes_to_go(0, 1) == 13
    assert strengths(2, [(0, 1, 1.0)] * 13 + [(1, 0, 1.0)] * 4, prior_sd=1000).is_sure(0, 1)
    assert few.votes_to_go(1, 0) is None
    assert strengths(2, [(0, 1, 0.5)] * 20).votes_to_go(0, 1) is None
    assert strengths(2, [(0, 1, 1.0)] * 40).votes_to_go(0, 1) == 0
