"""Runs judged by several measures: the Pareto front, and one plot of it for each pair with the first measure.

A run is on the front if no other is at least as good in every measure and better in one (Pareto 1906).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.compare.runs import ComparedRun
from pipeline.reports.run.curves import ticks
from pipeline.sweep.metrics import SweepObjective

_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 14, 44
SCATTER_WIDTH_PX, SCATTER_HEIGHT_PX = 560, 360
_MARGIN = 0.08
"""Room around the points, as a share of their spread."""


def front(values: Sequence[Sequence[float]]) -> list[int]:
    """Places of what nothing dominates, in their order. values: larger is better, one row a run."""
    return [
        place
        for place, own in enumerate(values)
        if not any(_dominates(other, own) for other in values if other is not own)
    ]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def front_of(runs: Sequence[ComparedRun], objectives: Sequence[SweepObjective]) -> list[ComparedRun]:
    """The runs on the front, the best by the first measure first; without those that lack a measure."""
    known = [run for run in runs if all(each.of(run.figures) is not None for each in objectives)]
    values = [[-each.sort_key(run.figures) for each in objectives] for run in known]
    chosen = [known[place] for place in front(values)]
    return sorted(chosen, key=lambda run: (objectives[0].sort_key(run.figures), run.name))


@dataclass(frozen=True)
class ScatterDot:
    """Coordinates in px as text; the run's name, and its values in words."""

    x: str
    y: str
    name: str
    text: str
    on_front: bool


@dataclass(frozen=True)
class Scatter:
    """`steps`: points of the line along the front. `rows`, `columns`: place and text of each tick."""

    across: str
    up: str
    dots: Sequence[ScatterDot]
    steps: str
    rows: Sequence[tuple[str, str]]
    columns: Sequence[tuple[str, str]]


def scatters(runs: Sequence[ComparedRun], objectives: Sequence[SweepObjective]) -> list[Scatter]:
    """The first measure across, each other one up; none for one measure, or if no run has all."""
    best = front_of(runs, objectives)
    known = [run for run in runs if all(each.of(run.figures) is not None for each in objectives)]
    return [_scatter(known, best, objectives[0], other) for other in objectives[1:] if known]


def _scatter(
    runs: Sequence[ComparedRun], best: Sequence[ComparedRun], across: SweepObjective, up: SweepObjective
) -> Scatter:
    points = {run: (_value(run, across), _value(run, up)) for run in runs}
    first, last = _span([x for x, _ in points.values()])
    low, high = _span([y for _, y in points.values()])

    def x(value: float) -> str:
        return f"{_LEFT + (value - first) / (last - first) * (SCATTER_WIDTH_PX - _LEFT - _RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{_TOP + (high - value) / (high - low) * (SCATTER_HEIGHT_PX - _TOP - _BOTTOM):.1f}"

    dots = [
        ScatterDot(x(a), y(b), run.name, f"{run.name}: {across.name} {a:.4g}, {up.name} {b:.4g}", run in best)
        for run, (a, b) in points.items()
    ]
    line = " ".join(f"{x(a)},{y(b)}" for a, b in sorted(points[run] for run in best))
    rows = [(y(each), f"{each:g}") for each in ticks(low, high)]
    return Scatter(
        across.title, up.title, dots, line, rows, [(x(each), f"{each:g}") for each in ticks(first, last)]
    )


def _value(run: ComparedRun, objective: SweepObjective) -> float:
    value = objective.of(run.figures)
    assert value is not None
    return value


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = _MARGIN * (high - low) or 0.5
    return low - room, high + room
