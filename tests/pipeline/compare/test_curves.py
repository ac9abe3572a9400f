"""Axes as people count, and lines where they belong."""

import pytest

from pipeline.compare.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, plot, round_numbers


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (3, 17, [4, 6, 8, 10, 12, 14, 16]),
        (0.11, 0.19, [0.12, 0.14, 0.16, 0.18]),
        (5, 5, [5]),
    ],
)
def test_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert round_numbers(low, high) == expected


def test_a_curve_fills_its_plot_from_corner_to_corner() -> None:
    made = plot("loss", {"a": [(0, 1.0), (10, 0.5)]}, {"a": 3})
    (name, number, points), *others = made.lines
    assert (name, number, others) == ("a", 3, [])
    assert points == f"{LEFT},{TOP} {WIDTH - RIGHT},{HEIGHT - BOTTOM}"
