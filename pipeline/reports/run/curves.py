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

CurvePoint = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """Pixels of a chart. `from_zero`: both axes begin at 0, else where the curves do."""

    width: int = WIDTH
    height: int = HEIGHT
    from_zero: bool = True


@dataclass(frozen=True)
class CurveLine:
    """A curve; `faint` ones lie behind the others and are not in the legend. `colour`: its number, None: the
    next one.
    """

    name: str
    points: Sequence[CurvePoint]
    faint: bool = False
    colour: int | None = None


@dataclass(frozen=True)
class Chart:
    """Curves over steps. `marks`: (step, text) of vertical lines; `log`: logarithmic height."""

    title: str
    note: str
    lines: Sequence[CurveLine]
    marks: Sequence[tuple[float, str]] = ()
    log: bool = False
    frame: Frame = Frame()


@dataclass(frozen=True)
class Drawn:
    """Input of the template: coordinates are text, rounded to a tenth."""

    title: str
    note: str
    paths: Sequence[tuple[str, int, bool, str]]
    """Points of a polyline, the number of its colour, whether it is faint, its name."""
    dots: Sequence[tuple[str, str, int]]
    """Points of a short curve."""
    legend: Sequence[tuple[str, int]]
    rows: Sequence[tuple[str, str]]
    """Height and text of the lines across."""
    columns: Sequence[tuple[str, str]]
    marks: Sequence[tuple[str, str]]


def thinned(points: Sequence[CurvePoint], most: int = MOST_POINTS) -> list[CurvePoint]:
    """Means of at most `most` equal parts; skips points that are not finite."""
    known = [point for point in points if all(map(math.isfinite, point))]
    if len(known) <= most:
        return known
    bounds = [part * len(known) // most for part in range(most + 1)]
    parts = [known[start:end] for start, end in pairwise(bounds)]
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts]


def smoothed(points: Sequence[CurvePoint], window: int) -> list[CurvePoint]:
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
    frame = chart.frame
    first, last = _ends([x for x, _ in points], frame)
    low, high = _span([y for _, y in points], chart.log, frame)

    def across(x: float) -> str:
        return f"{LEFT + (x - first) / (last - first) * (frame.width - LEFT - RIGHT):.1f}"

    def up(y: float) -> str:
        return f"{frame.height - BOTTOM - (y - low) / (high - low) * (frame.height - TOP - BOTTOM):.1f}"

    shown = [(line, heights, colour) for (line, heights), colour in zip(lines, _colours(lines), strict=True)]
    return Drawn(
        chart.title,
        chart.note,
        [
            (" ".join(f"{across(x)},{up(y)}" for x, y in heights), colour, line.faint, line.name)
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
        [(across(x), f"{x:g}") for x in ticks(first, last) if x.is_integer()],
        [(across(x), text) for x, text in chart.marks if first <= x <= last],
    )


def _colours(lines: Sequence[tuple[CurveLine, Sequence[CurvePoint]]]) -> Iterator[int]:
    """One colour each; a faint curve shares the next strong one's."""
    number = 0
    for line, _ in lines:
        yield number if line.colour is None else line.colour
        number += not line.faint


def _heights(points: Sequence[CurvePoint], log: bool) -> list[CurvePoint]:
    return [(x, math.log10(y)) for x, y in points if y > 0] if log else list(points)


def _ends(steps: Sequence[float], frame: Frame) -> tuple[float, float]:
    if frame.from_zero:
        return 0.0, max(steps) or 1.0
    return min(steps), max(steps) if max(steps) > min(steps) else min(steps) + 1.0


def _span(values: Sequence[float], log: bool, frame: Frame) -> tuple[float, float]:
    whole = log or not frame.from_zero
    low, high = (min(values), max(values)) if whole else (min(0.0, *values), max(0.0, *values))
    if high - low < 1e-12:
        return low - 0.5, high + 0.5
    if not frame.from_zero:
        return low, high
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
