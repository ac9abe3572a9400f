"""Scores of jobs: `metrics/*.json` as flat figures, and the number to compare by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError, nearest

RunFigures = Mapping[str, float]


@dataclass(frozen=True)
class SweepObjective:
    """A sum of figures (`sample_grid.best.subject+sample_grid.best.prompt`); larger is better, or smaller."""

    figures: tuple[str, ...]
    minimize: bool = False

    @property
    def name(self) -> str:
        return " + ".join(self.figures)

    def of(self, figures: RunFigures) -> float | None:
        """The sum; None if a figure is missing."""
        if any(name not in figures for name in self.figures):
            return None
        return round(sum(figures[name] for name in self.figures), 6)

    def sort_key(self, figures: RunFigures) -> float:
        """Sorts the best first, missing values last."""
        value = self.of(figures)
        return float("inf") if value is None else value if self.minimize else -value


DEFAULT_OBJECTIVES = (
    SweepObjective(("sample_grid.best.subject", "sample_grid.best.prompt")),
    SweepObjective(("sample_grid.best.prompt",)),
    SweepObjective(("train.validation_loss",), minimize=True),
    SweepObjective(("train.loss_last_epoch",), minimize=True),
)
"""Without --metric, the first that every job has."""


def objective_of(text: str | None, minimize: bool, figures: Sequence[RunFigures]) -> SweepObjective:
    """The requested one, or the first of DEFAULTS. A figure that no job has is a user error."""
    if text is None:
        known = [
            each
            for each in DEFAULT_OBJECTIVES
            if figures and all(each.of(one) is not None for one in figures)
        ]
        return known[0] if known else DEFAULT_OBJECTIVES[-1]
    objective = SweepObjective(tuple(part.strip() for part in text.split("+")), minimize)
    names = {name for one in figures for name in one}
    if names and (unknown := [name for name in objective.figures if name not in names]):
        raise UserError(*(f"--metric {name}: no such figure; {nearest(name, names)}" for name in unknown))
    return objective


def judged_by(
    figures: RunFigures, objective: SweepObjective | None = None
) -> tuple[SweepObjective, float] | None:
    """The objective of one job (the given one, or the first of DEFAULTS that it has), and its value."""
    for each in (objective,) if objective else DEFAULT_OBJECTIVES:
        if (value := each.of(figures)) is not None:
            return each, value
    return None


def flat(value: Any, name: str) -> dict[str, float]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}").items()}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {name: float(value)} if is_number else {}
