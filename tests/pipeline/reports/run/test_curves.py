"""Charts, against numbers worked out by hand."""

import math

import pytest

from pipeline.reports.run.curves import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    CurveLine,
    Frame,
    drawn,
    smoothed,
    thinned,
    ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 630, [0, 200, 400, 600]),
        (0, 0.2, [0, 0.05, 0.1, 0.15, 0.2]),
        (0, 1, [0, 0.5, 1.0]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, wanted: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(wanted)


def test_a_long_curve_is_shown_by_means_of_its_parts() -> None:
    assert thinned([(0, 1), (1, 3), (2, 5), (3, math.nan), (4, 7)], 2) == [(0.5, 2), (3, 6)]


def test_a_smooth_curve_is_the_mean_of_what_was() -> None:
    assert smoothed([(0, 2), (1, 4), (2, 6), (3, 8)], 2) == [(0, 2), (1, 3), (2, 5), (3, 7)]


def test_a_line_fills_its_frame() -> None:
    chart = drawn(Chart("Loss", "", [CurveLine("one", [(0, 0), (10, 100)])]))
    assert chart is not None
    bottom, top = HEIGHT - BOTTOM, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) / 1.03
    points = f"{LEFT:.1f},{bottom:.1f} {WIDTH - RIGHT:.1f},{top:.1f}"
    assert chart.paths == [(points, 0, False, "one")]
    assert chart.legend == [("one", 0)]
    assert chart.columns[-1] == (f"{WIDTH - RIGHT:.1f}", "10")


def test_powers_of_ten_and_a_curve_behind_another() -> None:
    lines = [
        CurveLine("raw", [(0, 1e-4), (1, 0.0), (2, 1e-1)], faint=True),
        CurveLine("mean", [(0, 1e-3), (2, 1e-2)]),
    ]
    chart = drawn(Chart("", "", lines, log=True))
    assert chart is not None
    assert [text for _, text in chart.rows] == ["0.0001", "0.001", "0.01", "0.1"]
    assert [path[1:] for path in chart.paths] == [(0, True, "raw"), (0, False, "mean")]
    assert chart.legend == [("mean", 0)]


def test_nothing_to_draw_is_no_chart() -> None:
    assert drawn(Chart("", "", [])) is None
    assert drawn(Chart("", "", [CurveLine("", [(0, math.nan)])])) is None


def test_a_level_line_has_a_height() -> None:
    chart = drawn(Chart("", "", [CurveLine("", [(0, 0.0), (1, 0.0)])]))
    assert chart is not None
    assert "nan" not in chart.paths[0][0]


def test_a_chart_that_does_not_begin_at_zero_is_filled_from_corner_to_corner() -> None:
    frame = Frame(width=720, height=300, from_zero=False)
    made = drawn(Chart("loss", "", [CurveLine("a", [(10, 1.0), (20, 0.5)], colour=3)], frame=frame))
    assert made
    corners = f"{LEFT:.1f},{TOP:.1f} {720 - RIGHT:.1f},{300 - BOTTOM:.1f}"
    assert made.paths == [(corners, 3, False, "a")]
    assert [text for _, text in made.columns] == ["10", "15", "20"]
