"""Measures of every place with their intervals, as one chart a measure: a dot for the mean, a line for the 95
% interval, the base alone on top. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ROW_PX, _TOP_PX, _LEFT_PX, INTERVAL_WIDTH_PX, _RIGHT_PX = 22, 6, 128, 420, 54
_MOST_PLACES = 12
_BASE_ALONE = "base alone"


@dataclass(frozen=True)
class Whisker:
    """A line of the chart: label, mean as text, x of low, mean and high and y, in px, and how it is shown."""

    label: str
    text: str
    low: float
    mean: float
    high: float
    y: float
    kind: str
    """`proposed`, `equal`, `base` or ``."""


@dataclass(frozen=True)
class IntervalChart:
    title: str
    meaning: str
    whiskers: Sequence[Whisker]
    height: int


def interval_charts(verdict: Mapping[str, Any], ranking: Sequence[Mapping[str, Any]]) -> list[IntervalChart]:
    """A chart for each measure that a place has; at most _MOST_PLACES places, in the order of the verdict."""
    return [
        _chart(measure, verdict, ranking[:_MOST_PLACES])
        for measure in verdict["measures"]
        if any(measure["name"] in row["measures"] for row in ranking)
    ]


def _chart(
    measure: Mapping[str, Any], verdict: Mapping[str, Any], ranking: Sequence[Mapping[str, Any]]
) -> IntervalChart:
    name, rows = measure["name"], list[tuple[str, Mapping[str, float], str]]()
    if name in verdict["base"]:
        rows.append((_BASE_ALONE, verdict["base"][name], "base"))
    for number, row in enumerate(ranking):
        if name in row["measures"]:
            kind = "proposed" if number == 0 else "equal" if row["equal"] else ""
            label = f"epoch {row['epoch']} at {row['weight']:g}"
            rows.append((label, row["measures"][name], kind))
    low = min(_end(found, "low") for _, found, _ in rows)
    high = max(_end(found, "high") for _, found, _ in rows)
    least, most = (0.0, 1.0) if measure["is_share"] else (low, high if high > low else low + 1)

    def x(value: float) -> float:
        share = (min(max(value, least), most) - least) / (most - least)
        return round(_LEFT_PX + share * (INTERVAL_WIDTH_PX - _LEFT_PX - _RIGHT_PX), 1)

    whiskers = [
        Whisker(
            label, _text(found["mean"], measure), x(_end(found, "low")), x(found["mean"]),
            x(_end(found, "high")), _TOP_PX + (place + 0.5) * _ROW_PX, kind,
        )
        for place, (label, found, kind) in enumerate(rows)
    ]  # fmt: skip
    meaning = f"{measure['meaning']}; lower is better" if measure["is_lower_better"] else measure["meaning"]
    return IntervalChart(measure["title"], meaning, whiskers, 2 * _TOP_PX + len(rows) * _ROW_PX)


def _end(found: Mapping[str, float | None], side: str) -> float:
    """An end that nothing bounds is the mean itself: one picture has no interval."""
    end, mean = found[side], found["mean"]
    assert mean is not None
    return mean if end is None else end


def _text(value: float, measure: Mapping[str, Any]) -> str:
    return f"{value:.0%}" if measure["is_share"] else f"{value:.2f}"
