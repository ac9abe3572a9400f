"""Scores by epoch and weight, coloured by their gain over the base alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reports.run.verdict import gain_over, most_gain, total


@dataclass(frozen=True)
class Heat:
    """Scores by epoch (rows) and weight (columns): (fraction of the possible gain over the base alone in
    percent, text, is proposed, has a fault) or None. `base`: the score of the base alone, if known.
    """

    epochs: Sequence[int]
    weights: Sequence[float]
    cells: Sequence[Sequence[tuple[int, str, bool, bool] | None]]
    base: float | None


def heat(ranking: Sequence[Mapping[str, Any]], base: Mapping[str, Any] | None = None) -> Heat | None:
    """None without scores. Cells no better than the base have no colour; without the base no cell has one."""
    if all(row["total"] is None for row in ranking):
        return None
    epochs, weights = (sorted({row[name] for row in ranking}) for name in ("epoch", "weight"))
    places = {(row["epoch"], row["weight"]): row for row in ranking}

    def cell(epoch: int, weight: float) -> tuple[int, str, bool, bool] | None:
        row = places.get((epoch, weight))
        if row is None or row["total"] is None:
            return None
        gain = gain_over(row["total"], base)
        text = f"{row['total']:.2f}" if gain is None else f"{gain:+.2f}"
        return _share(gain, base), text, row is ranking[0], bool(row["against"])

    cells = [[cell(epoch, weight) for weight in weights] for epoch in epochs]
    known = base is not None and gain_over(0.0, base) is not None
    return Heat(epochs, weights, cells, total(base) if base is not None and known else None)


def _share(gain: float | None, base: Mapping[str, Any] | None) -> int:
    """The gain in percent of the possible gain."""
    if not gain or base is None or not (most := most_gain(base)):
        return 0
    return min(100, max(0, round(100 * gain / most)))
