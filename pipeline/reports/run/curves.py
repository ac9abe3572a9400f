"""Line charts as inline SVG: no scripts, any colour scheme; equal numbers give equal bytes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 28
MOST_POINTS = 400
"""A longer curve is shown as the means of this many equal parts."""
MOST_DOTS = 20

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A curve; `faint` ones are behind the others and not in the legend."""

    name: str
    points: Sequence[Point]
    faint: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over steps. `marks`: (step, text) of vertical lines; `log`: logarithmic height."""

    title: str
    note: str
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    log: bool = False


@dataclass(frozen=True)
class Drawn:
    """Input of the template: coordinates are text, rounded to a tenth."""

    title: str
    note: str
    paths: Sequence[tuple[str, int, bool]]
    """Points of a polyline, the number of its colour, whether it is faint."""
    dots: Sequence[tuple[str, str, int]]
    """Points of a short curve."""
    legend: Sequence[tuple[str, int]]
    rows: Sequence[tuple[str, str]]
    """Height and text of the lines across."""
    columns: Sequence[tuple[str, str]]
    marks: Sequence[tuple[str, str]]


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Means of at most `most` equal parts; skips points that are not finite."""
    known = [point for point in points if all(map(math.isfinite, point))]
    if len(known) <= most:
        return known
    bounds = [part * len(known) // most for part in range(most + 1)]
    parts = [known[start:end] for start, end in pairwise(bounds)]
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts]


def smoothed(points: Sequence[Point], window: int) -> list[Point]:
    """Each point's height is the mean of the `window` up to it; fewer at the start."""
    known = [point for point in points if all(map(math.isfinite, point))]
    return [
        (x, fmean(y for _, y in known[max(0, place + 1 - window) : place + 1]))
        for place, (x, _) in enumerate(known)
    ]


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) between the two."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def drawn(chart: Chart) -> Drawn | None:
    """None without data."""
    lines = [(line, _heights(thinned(line.points), chart.log)) for line in chart.lines]
    points = [point for _, heights in lines for point in heights]
    if not points:
        return None
    right = max(x for x, _ in points) or 1.0
    low, high = _span([y for _, y in points], chart.log)

    def across(x: float) -> str:
        return f"{LEFT + x / right * (WIDTH - LEFT - RIGHT):.1f}"

    def up(y: float) -> str:
        return f"{HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM):.1f}"

    shown = [(line, heights, colour) for (line, heights), colour in zip(lines, _colours(lines), strict=True)]
    return Drawn(
        chart.title,
        chart.note,
        [
            (" ".join(f"{across(x)},{up(y)}" for x, y in heights), colour, line.faint)
            for line, heights, colour in shown
            if len(heights) > 1
        ],
        [
            (across(x), up(y), colour)
            for _, heights, colour in shown
            if len(heights) <= MOST_DOTS
            for x, y in heights
        ],
        [(line.name, colour) for line, heights, colour in shown if heights and not line.faint],
        [(up(y), label) for y, label in _labels(low, high, chart.log)],
        [(across(x), f"{x:g}") for x in ticks(0, right) if x.is_integer()],
        [(across(x), text) for x, text in chart.marks if 0 <= x <= right],
    )


def _colours(lines: Sequence[tuple[Line, Sequence[Point]]]) -> Iterator[int]:
    """One colour each; a faint curve shares the next strong one's."""
    number = 0
    for line, _ in lines:
        yield number
        number += not line.faint


def _heights(points: Sequence[Point], log: bool) -> list[Point]:
    return [(x, math.log10(y)) for x, y in points if y > 0] if log else list(points)


def _span(values: Sequence[float], log: bool) -> tuple[float, float]:
    low, high = (min(values), max(values)) if log else (min(0.0, *values), max(0.0, *values))
    if high - low < 1e-12:
        return low - 0.5, high + 0.5
    return (low - 0.05 * (high - low), high + 0.05 * (high - low)) if log else (low, high * 1.03)


def _labels(low: float, high: float, log: bool) -> list[tuple[float, str]]:
    if not log:
        return [(y, f"{y:g}" if abs(y) < 1e15 else f"{y:.0e}") for y in map(_clean, ticks(low, high))]
    powers = range(math.ceil(low), math.floor(high) + 1)
    if len(powers) >= 2:
        return [(power, f"{10.0**power:g}") for power in powers]
    return [(y, f"{10**y:.2g}") for y in ticks(low, high, 3)]


def _clean(value: float) -> float:
    """Removes rounding errors."""
    return float(f"{value:.10g}")
