"""Scores of jobs: `metrics/*.json` as flat figures, and the number to compare by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError, near, nearest

RunFigures = Mapping[str, float]


@dataclass(frozen=True)
class SweepObjective:
    """A sum of figures (`sample_grid.best.subject+sample_grid.best.prompt`); larger is better, or smaller."""

    figures: tuple[str, ...]
    minimize: bool = False

    @property
    def name(self) -> str:
        return " + ".join(self.figures)

    @property
    def title(self) -> str:
        """With the direction, where smaller is better."""
        return f"{self.name} (smaller is better)" if self.minimize else self.name

    def of(self, figures: RunFigures) -> float | None:
        """The sum; None if a figure is missing."""
        if any(name not in figures for name in self.figures):
            return None
        return round(sum(figures[name] for name in self.figures), 6)

    def sort_key(self, figures: RunFigures) -> float:
        """Sorts the best first, missing values last."""
        value = self.of(figures)
        return float("inf") if value is None else value if self.minimize else -value


JOINT_OBJECTIVE = SweepObjective(("sample_grid.best.joint",))
"""The verdict's joint score (pipeline/verdict/joint.py)."""
DEFAULT_OBJECTIVES = (
    JOINT_OBJECTIVE,
    SweepObjective(("sample_grid.best.subject", "sample_grid.best.prompt")),
    SweepObjective(("sample_grid.best.prompt",)),
    SweepObjective(("train.validation_loss",), minimize=True),
    SweepObjective(("train.loss_last_epoch",), minimize=True),
)
"""Without --metric, the first that every job has."""


def parsed_objectives(text: str | None, minimize: bool = False) -> tuple[SweepObjective, ...]:
    """`a+b` is a sum, `a,-b` are two measures, of which the second should be small; none for None."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.strip("-+ ") for part in parts):
        raise UserError(f"--metric {text}: a figure is missing; write FIGURE[+FIGURE][,FIGURE ...]")
    return tuple(
        SweepObjective(
            tuple(name.strip() for name in part.removeprefix("-").split("+")),
            minimize or part.startswith("-"),
        )
        for part in parts
    )


def unseen_figures(objectives: Sequence[SweepObjective], figures: RunFigures) -> list[str]:
    """Sentences on figures that the last run here lacks, though it has others of that file (`train`). A sweep
    is compared at its end, too late to learn that a name is wrong.
    """
    asked = dict.fromkeys(name for each in objectives for name in each.figures)
    known = {*figures, *(name for each in DEFAULT_OBJECTIVES for name in each.figures)}
    files = {name.partition(".")[0] for name in figures}
    return [
        f"--metric {name}: the last run here has no such figure{near(name, known)}; a name that no job has"
        " compares nothing"
        for name in asked
        if figures and name not in known and ("." not in name or name.partition(".")[0] in files)
    ]


def objectives_of(
    text: str | None, minimize: bool, figures: Sequence[RunFigures]
) -> tuple[SweepObjective, ...]:
    """The requested ones, or the first of DEFAULT_OBJECTIVES. A figure that no job has is a user error."""
    objectives = parsed_objectives(text, minimize)
    if not objectives:
        known = [
            each
            for each in DEFAULT_OBJECTIVES
            if figures and all(each.of(one) is not None for one in figures)
        ]
        return (known[0] if known else DEFAULT_OBJECTIVES[-1],)
    names = {name for one in figures for name in one}
    asked = dict.fromkeys(name for each in objectives for name in each.figures)
    if names and (unknown := [name for name in asked if name not in names]):
        raise UserError(*(f"--metric {name}: no such figure; {nearest(name, names)}" for name in unknown))
    return objectives


def judged_by(
    figures: RunFigures, objectives: Sequence[SweepObjective] = ()
) -> list[tuple[SweepObjective, float]]:
    """The objectives of one job (the given ones, or the first of DEFAULT_OBJECTIVES that it has), and their
    values; empty if it lacks one.
    """
    if objectives:
        values = [(each, each.of(figures)) for each in objectives]
        found = [(each, value) for each, value in values if value is not None]
        return found if len(found) == len(values) else []
    for each in DEFAULT_OBJECTIVES:
        if (value := each.of(figures)) is not None:
            return [(each, value)]
    return []


def flat(value: Any, name: str) -> dict[str, float]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}").items()}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {name: float(value)} if is_number else {}
