"""The comparison: a table in the terminal, and one page with everything in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.compare.curves import Plot, plot
from pipeline.compare.grids import aligned, how_to_fetch
from pipeline.compare.importance import importance
from pipeline.compare.runs import Run, find_runs, loss_curves, varied
from pipeline.errors import warn
from pipeline.files.atomic import new_folder, write_csv, write_text
from pipeline.reports.grid import IN_CELLS, PageCell
from pipeline.reports.template import template
from pipeline.sweep.metrics import SweepObjective, objective_of

FOLDER = Path("reports/comparison")
FIGURES = "metrics/train.json metrics/sample_grid.json"
TEMPLATE = Path(__file__).with_name("comparison.html.j2")
SHOWN_FIGURES = (
    "sample_grid.best.subject", "sample_grid.best.prompt", "sample_grid.best.clip",
    "sample_grid.best.diversity",
    "sample_grid.best.copies", "sample_grid.best.epoch", "sample_grid.best.weight", "train.loss_last_epoch",
    "train.validation_loss", "train.best_epoch",
)  # fmt: skip
"""Of the table; those that no run has are left out."""
NAMED = 10
"""Runs with a colour of their own; later ones share them."""


@dataclass(frozen=True)
class Row:
    """A run in the table, as people read it."""

    run: Run
    settings: Sequence[str]
    score: str
    figures: Sequence[str]
    mib: str
    seconds: str


@dataclass(frozen=True)
class Table:
    """The best run first."""

    settings: Sequence[str]
    objective: SweepObjective
    figures: Sequence[str]
    rows: Sequence[Row]

    @property
    def header(self) -> list[str]:
        return ["run", *self.settings, self.objective.name, *self.figures, "MiB", "seconds"]

    @property
    def headings(self) -> list[str]:
        """The header in short, as people see it."""
        short = [name.rpartition(".")[2] for name in self.figures]
        score = "score" if len(self.objective.figures) > 1 else self.objective.name.rpartition(".")[2]
        return ["run", *self.settings, score, *short, "MiB", "seconds"]

    @property
    def lines(self) -> list[list[str]]:
        return [
            [row.run.name, *row.settings, row.score, *row.figures, row.mib, row.seconds] for row in self.rows
        ]


def compare(names: Sequence[str], metric: str | None = None, minimize: bool = False) -> str:
    """Writes reports/comparison/ and returns what the terminal shows."""
    runs = find_runs(names)
    for run in runs:
        if not run.has_stage_figures:
            warn(f"{run.name}: its stages' figures are not here; {how_to_fetch(run, FIGURES)}")
    table = tabulated(runs, objective_of(metric, minimize, [run.figures for run in runs]))
    with new_folder(FOLDER) as folder:
        write_csv(folder / "table.csv", table.header, table.lines)
        write_text(folder / "index.html", page(table))
    best = "\n".join(f"  {command}" for command in commands(table.rows[0].run))
    return (
        f"{as_text(table)}\n\nThe best: {table.rows[0].run.name}\n{best}\nSide by side: {FOLDER}/index.html"
    )


def tabulated(runs: Sequence[Run], objective: SweepObjective) -> Table:
    keys = varied(runs)
    figures = [
        name
        for name in SHOWN_FIGURES
        if name not in objective.figures[:1] * (len(objective.figures) == 1)
        and any(name in run.figures for run in runs)
    ]
    ordered = sorted(runs, key=lambda run: (objective.sort_key(run.figures), run.name))
    return Table(keys, objective, figures, [_row(run, keys, objective, figures) for run in ordered])


def _row(run: Run, keys: Sequence[str], objective: SweepObjective, figures: Sequence[str]) -> Row:
    return Row(
        run,
        [_text(run.settings.get(key, "")) for key in keys],
        _text(objective.of(run.figures)),
        [_text(run.figures.get(name)) for name in figures],
        "" if run.network_bytes is None else f"{run.network_bytes / 2**20:.1f}",
        "" if run.seconds is None else f"{run.seconds:.0f}",
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def commands(run: Run) -> list[str]:
    """What follows from a choice."""
    if not run.is_experiment:
        return [f"git checkout {run.name} && dvc checkout"]
    return [f"dvc exp apply {run.name}", f"dvc exp push origin {run.name}"]


def as_text(table: Table) -> str:
    """Columns set below each other, for a terminal."""
    rows = [table.headings, *table.lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def shares(table: Table) -> dict[str, float]:
    """Importance of what was varied, over the runs that have a score; none of fewer than three."""
    scored = [
        (row.run, value) for row in table.rows if (value := table.objective.of(row.run.figures)) is not None
    ]
    if len(scored) < 3:
        return {}
    values = {key: [str(run.settings.get(key)) for run, _ in scored] for key in table.settings}
    return importance(values, [value for _, value in scored])


def plots(runs: Sequence[Run]) -> list[Plot]:
    """One for each kind of curve, all runs in it."""
    numbers = {run.name: number % NAMED for number, run in enumerate(runs)}
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        for title, curve in loss_curves(run).items():
            found.setdefault(title, {})[run.name] = curve
    return [plot(title, curves, numbers) for title, curves in found.items()]


def page(table: Table) -> str:
    """The HTML."""
    runs = [row.run for row in table.rows]
    grid = aligned(runs)
    for sentence in grid.left_out:
        warn(sentence)
    return str(
        template(TEMPLATE).render(
            table=table,
            commands=commands(runs[0]),
            shares=shares(table),
            plots=plots(runs),
            grid=grid,
            notes=_notes,
        )
    )


def _notes(figures: dict[str, Any]) -> str:
    return ", ".join(PageCell("", "", "", (), 1, figures).texts(IN_CELLS))
