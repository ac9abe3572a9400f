"""Shares of variance against numbers worked out by hand."""

import pytest

from pipeline.compare.importance import importance
from pipeline.compare.runs import smoothed
from pipeline.sweep.metrics import SweepObjective, flat, objectives_of


def test_a_full_grid() -> None:
    # y = 3 a + b: variance 9/4 of a, 1/4 of b, together 10/4.
    found = importance({"b": [0, 1, 0, 1], "a": [0, 0, 1, 1]}, [0.0, 1.0, 3.0, 4.0])
    assert found == {"a": pytest.approx(0.9), "b": pytest.approx(0.1)}
    assert list(found) == ["a", "b"]


def test_what_acts_only_together_is_no_settings_own() -> None:
    assert importance({"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}, [0.0, 1.0, 1.0, 0.0]) == {"a": 0.0, "b": 0.0}


def test_equal_results() -> None:
    assert importance({"a": [0, 1]}, [2.0, 2.0]) == {"a": 0.0}


def test_smoothing_leaves_a_constant_and_keeps_the_last() -> None:
    assert [value for _, value in smoothed([(step, 2.0) for step in range(5)])] == pytest.approx([2.0] * 5)
    assert smoothed([(step, float(step)) for step in range(1000)])[-1][0] == 999


def test_figures_are_flat_and_the_first_objective_that_all_have_is_taken() -> None:
    figures = flat({"best": {"subject": 1, "prompt": 0.5, "name": "x"}, "flag": True}, "sample_grid")
    assert figures == {"sample_grid.best.subject": 1.0, "sample_grid.best.prompt": 0.5}
    assert [each.of(figures) for each in objectives_of(None, False, [figures])] == [1.5]
    assert SweepObjective(("loss",), minimize=True).sort_key({"loss": 2.0}) == 2.0
