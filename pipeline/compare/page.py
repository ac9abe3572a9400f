"""The comparison: a table for the terminal, and a page with everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.compare.grids import aligned, how_to_fetch
from pipeline.compare.importance import importance
from pipeline.compare.pareto import SCATTER_HEIGHT_PX, SCATTER_WIDTH_PX, front_of, scatters
from pipeline.compare.runs import ComparedRun, find_runs, loss_curves, varied
from pipeline.compare.verdicts import verdicts
from pipeline.errors import warn
from pipeline.files.atomic import new_folder, write_csv, write_text
from pipeline.reports.grid import IN_CELLS, PageCell
from pipeline.reports.run.curves import Chart, CurveLine, Drawn, Frame, drawn
from pipeline.reports.template import template
from pipeline.sweep.metrics import SweepObjective, objectives_of

OUTPUT = Path("reports/comparison")
METRICS_FILES = "metrics/train.json metrics/sample_grid.json"
TEMPLATE = Path(__file__).with_name("comparison.html.j2")
SHOWN_FIGURES = (
    "sample_grid.best.joint", "sample_grid.best.subject", "sample_grid.best.prompt", "sample_grid.best.clip",
    "sample_grid.best.diversity",
    "sample_grid.best.copies", "sample_grid.best.epoch", "sample_grid.best.weight", "train.loss_last_epoch",
    "train.validation_loss", "train.best_epoch",
)  # fmt: skip
"""Of the table; those that no run has are left out."""
FRAME = Frame(width=720, height=300, from_zero=False)
"""Of curves that differ little: they fill it."""
NUM_COLOURS = 10
"""Number of colours; more runs share them."""


@dataclass(frozen=True)
class TableRow:
    """A row of the table, as text. `scores`: by objective; of several, before them whether it is on the
    front.
    """

    run: ComparedRun
    settings: Sequence[str]
    scores: Sequence[str]
    figures: Sequence[str]
    mib: str
    seconds: str


@dataclass(frozen=True)
class Table:
    """The best run first; of several measures, those on the Pareto front."""

    settings: Sequence[str]
    objectives: Sequence[SweepObjective]
    figures: Sequence[str]
    rows: Sequence[TableRow]

    @property
    def objective(self) -> SweepObjective:
        """The first."""
        return self.objectives[0]

    @property
    def header(self) -> list[str]:
        scores = [each.name for each in self.objectives]
        return ["run", *self.settings, *self._front, *scores, *self.figures, "MiB", "seconds"]

    @property
    def _front(self) -> list[str]:
        return ["Pareto front"] if len(self.objectives) > 1 else []

    @property
    def headings(self) -> list[str]:
        """Short names for the header."""
        short = [name.rpartition(".")[2] for name in self.figures]
        scores = [
            "score" if len(each.figures) > 1 else each.name.rpartition(".")[2] for each in self.objectives
        ]
        return ["run", *self.settings, *self._front, *scores, *short, "MiB", "seconds"]

    @property
    def lines(self) -> list[list[str]]:
        return [
            [row.run.name, *row.settings, *row.scores, *row.figures, row.mib, row.seconds]
            for row in self.rows
        ]


def compare(names: Sequence[str], metric: str | None = None, minimize: bool = False) -> str:
    """Writes reports/comparison/ and returns what the terminal shows."""
    runs = find_runs(names)
    for run in runs:
        if not run.has_stage_figures:
            warn(
                f"{run.name}: its stages' figures are not on this machine; {how_to_fetch(run, METRICS_FILES)}"
            )
    table = tabulated(runs, objectives_of(metric, minimize, [run.figures for run in runs]))
    with new_folder(OUTPUT) as folder:
        write_csv(folder / "table.csv", table.header, table.lines)
        write_text(folder / "index.html", page(table))
    best = "\n".join(f"  {command}" for command in commands(table.rows[0].run))
    by = (
        f" by {table.objective.title}; not dominated: {num_front(table)}" if len(table.objectives) > 1 else ""
    )
    return (
        f"{as_text(table)}\n\nThe best{by}: {table.rows[0].run.name}\n{best}\n"
        f"Side by side: {OUTPUT}/index.html"
    )


def tabulated(runs: Sequence[ComparedRun], objectives: Sequence[SweepObjective]) -> Table:
    keys = varied(runs)
    figures = [
        name
        for name in SHOWN_FIGURES
        if (name,) not in [each.figures for each in objectives] and any(name in run.figures for run in runs)
    ]
    best = front_of(runs, objectives) if len(objectives) > 1 else []
    ordered = sorted(runs, key=lambda run: (run not in best, objectives[0].sort_key(run.figures), run.name))
    return Table(keys, objectives, figures, [_row(run, keys, objectives, figures, best) for run in ordered])


def num_front(table: Table) -> int:
    """How many runs are on the Pareto front."""
    return len(front_of([row.run for row in table.rows], table.objectives))


def _row(
    run: ComparedRun,
    keys: Sequence[str],
    objectives: Sequence[SweepObjective],
    figures: Sequence[str],
    best: Sequence[ComparedRun],
) -> TableRow:
    on_front = ["yes" if run in best else ""] if len(objectives) > 1 else []
    return TableRow(
        run,
        [_text(run.settings.get(key, "")) for key in keys],
        [*on_front, *(_text(each.of(run.figures)) for each in objectives)],
        [_text(run.figures.get(name)) for name in figures],
        "" if run.network_bytes is None else f"{run.network_bytes / 2**20:.1f}",
        "" if run.seconds is None else f"{run.seconds:.0f}",
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def commands(run: ComparedRun) -> list[str]:
    """Commands that apply the chosen run."""
    if not run.is_experiment:
        return [f"git checkout {run.name} && dvc checkout"]
    return [f"dvc exp apply {run.name}", f"dvc exp push origin {run.name}"]


def as_text(table: Table) -> str:
    """The table with aligned columns, for a terminal."""
    rows = [table.headings, *table.lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def importances(table: Table) -> dict[str, float]:
    """Importance of the varied settings, over the runs with a score; empty for fewer than three."""
    scored = [
        (row.run, value) for row in table.rows if (value := table.objective.of(row.run.figures)) is not None
    ]
    if len(scored) < 3:
        return {}
    values = {key: [str(run.settings.get(key)) for run, _ in scored] for key in table.settings}
    return importance(values, [value for _, value in scored])


def plots(runs: Sequence[ComparedRun]) -> list[Drawn]:
    """One for each kind of curve, all runs in it."""
    found: dict[str, list[CurveLine]] = {}
    for number, run in enumerate(runs):
        for title, curve in loss_curves(run).items():
            found.setdefault(title, []).append(CurveLine(run.name, curve, colour=number % NUM_COLOURS))
    charts = (Chart(title, "", lines, frame=FRAME) for title, lines in found.items())
    return [done for chart in charts if (done := drawn(chart))]


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
            shares=importances(table),
            plots=plots(runs),
            verdicts=verdicts(runs),
            frame=FRAME,
            scatters=scatters(runs, table.objectives),
            scatter_width=SCATTER_WIDTH_PX,
            scatter_height=SCATTER_HEIGHT_PX,
            grid=grid,
            notes=_notes,
        )
    )


def _notes(figures: dict[str, Any]) -> str:
    return ", ".join(PageCell("", "", "", (), 1, figures).texts(IN_CELLS))
