"""Curves of many runs in one plot, as inline SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from pipeline.compare.runs import Curve

WIDTH, HEIGHT = 720.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 8.0, 10.0, 30.0


@dataclass(frozen=True)
class Plot:
    """Lines are (run, number of its colour, SVG points); ticks are (place, label)."""

    title: str
    lines: Sequence[tuple[str, int, str]]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]


def plot(title: str, curves: Mapping[str, Curve], numbers: Mapping[str, int]) -> Plot:
    """`numbers`: each run's colour."""
    steps = [step for curve in curves.values() for step, _ in curve]
    losses = [loss for curve in curves.values() for _, loss in curve]
    x_low, x_high = min(steps), max(steps)
    y_low, y_high = min(losses), max(losses)

    def x(step: float) -> float:
        return LEFT + (step - x_low) / ((x_high - x_low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(loss: float) -> float:
        return HEIGHT - BOTTOM - (loss - y_low) / ((y_high - y_low) or 1) * (HEIGHT - TOP - BOTTOM)

    return Plot(
        title,
        [
            (name, numbers[name], " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in curve))
            for name, curve in curves.items()
        ],
        [(round(x(value), 1), f"{value:g}") for value in round_numbers(x_low, x_high)],
        [(round(y(value), 1), f"{value:g}") for value in round_numbers(y_low, y_high)],
    )


def round_numbers(low: float, high: float) -> list[float]:
    """Three to eight round numbers in the range: multiples of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    step = 10.0 ** floor(log10((high - low) / 3))
    step = max((each * step for each in (1, 2, 5) if (high - low) / (each * step) >= 3), default=step)
    first = -floor(-low / step)
    return [round(number * step, 12) for number in range(first, floor(high / step + 1e-9) + 1)]
