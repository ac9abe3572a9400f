"""One XYZ grid over all runs: x weights, y runs, z epochs, every cell with the same prompts and seeds; the
first row is the base alone.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipeline.compare.runs import ComparedRun
from pipeline.pictures.thumbnails import webp_uri
from pipeline.sweep.committed import read_committed

GRID_FOLDER = "reports/sample-grid"
COMPARED_SIDE_PX = 1024
"""Largest side of a cell's pictures; the page shows them smaller, and full size on a click."""

EpochAndWeight = tuple[int, float]
"""Epoch and weight."""
PromptsAndSeeds = tuple[tuple[str, int], ...]
"""Prompt and seed of each picture of a cell."""


@dataclass(frozen=True)
class ComparedCell:
    """`image` as data URI; `figures` as in the run's own grid."""

    image: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Sheet:
    """An epoch: a row for the base, which has no weight, and one for each run, with a cell or None for each
    weight.
    """

    label: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[ComparedCell | None]]]


@dataclass(frozen=True)
class Aligned:
    """`left_out`: a sentence for each run that could not be shown."""

    sheets: Sequence[Sheet]
    pictures: PromptsAndSeeds
    left_out: Sequence[str]


def aligned(runs: Sequence[ComparedRun]) -> Aligned:
    """The cells drawn with the settings of most runs: prompts, seeds, sampler, size, guidance."""
    cells, bases = (
        dict[ComparedRun, dict[EpochAndWeight, dict[str, Any]]](),
        dict[ComparedRun, list[dict[str, Any]]](),
    )
    left_out = list[str]()
    for run in runs:
        try:
            grid = json.loads(read_committed(run.revision, f"{GRID_FOLDER}/grid.json"))
            cells[run], bases[run] = plain_cells(grid), base_cells(grid)
        except FileNotFoundError:
            left_out.append(
                f"{run.name}: its pictures are not on this machine; {how_to_fetch(run, GRID_FOLDER)}"
            )
    drawn = [_drawn(cell) for of_run in cells.values() for cell in of_run.values()]
    common = max(drawn, key=drawn.count, default=None)
    kept = {
        run: {place: cell for place, cell in of_run.items() if _drawn(cell) == common}
        for run, of_run in cells.items()
    }
    left_out += [
        f"{run.name}: drawn with other prompts, seeds or settings than most" for run in kept if not kept[run]
    ]
    shown = {run: of_run for run, of_run in kept.items() if of_run}
    pictures = common[0] if common else ()
    base = next(
        (_cell(run, cell) for run in shown for cell in bases[run] if _drawn(cell) == common),
        None,
    )
    return Aligned(_sheets(shown, base), pictures, left_out)


def plain_cells(grid: Mapping[str, Any]) -> dict[EpochAndWeight, dict[str, Any]]:
    """The cells of a grid.json by epoch and weight, without those with another checkpoint or block weights.
    Of several with the same epoch and weight (an axis of samplers, say) the first.
    """
    cells: dict[EpochAndWeight, dict[str, Any]] = {}
    for cell in grid["cells"]:
        if _is_on_base(cell) and cell["block_weights"] is None and cell["network"] is not None:
            cells.setdefault((cell["epoch"], cell["weight"]), cell)
    return cells


def base_cells(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cells drawn by the run's base alone."""
    return [cell for cell in grid["cells"] if _is_on_base(cell) and cell["network"] is None]


def _is_on_base(cell: Mapping[str, Any]) -> bool:
    return cell["checkpoint"] is None and cell["merge"] is None


def _drawn(cell: Mapping[str, Any]) -> tuple[PromptsAndSeeds, tuple[Any, ...]]:
    names = ("negative_prompt", "sampler", "steps", "guidance", "width", "height", "clip_skip")
    pictures = tuple((each["prompt"], each["seed"]) for each in cell["pictures"])
    return pictures, tuple(cell[name] for name in names)


def _sheets(
    cells: Mapping[ComparedRun, Mapping[EpochAndWeight, Mapping[str, Any]]], base: ComparedCell | None
) -> list[Sheet]:
    places = sorted({place for of_run in cells.values() for place in of_run})
    sheets = []
    for epoch in sorted({epoch for epoch, _ in places}):
        weights = [weight for other, weight in places if other == epoch]
        rows: list[tuple[str, Sequence[ComparedCell | None]]] = [
            (run.name, [_cell(run, of_run.get((epoch, weight))) for weight in weights])
            for run, of_run in cells.items()
        ]
        if base:
            rows.insert(0, ("base alone", [base, *[None] * (len(weights) - 1)]))
        sheets.append(Sheet(f"epoch {epoch}", [f"weight {weight:g}" for weight in weights], rows))
    return sheets


def _cell(run: ComparedRun, cell: Mapping[str, Any] | None) -> ComparedCell | None:
    if cell is None:
        return None
    picture = Image.open(io.BytesIO(read_committed(run.revision, f"{GRID_FOLDER}/{cell['image']}"))).convert(
        "RGB"
    )
    picture.thumbnail((COMPARED_SIDE_PX, COMPARED_SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=85, method=4)
    return ComparedCell(webp_uri(buffer.getvalue()), cell["figures"])


def how_to_fetch(run: ComparedRun, outputs: str) -> str:
    """The command that gets a run's outputs which this machine's cache lacks."""
    if run.is_experiment:
        return f"`dvc exp pull <git remote> {run.name}` gets them if they were pushed"
    made = f"`git checkout {run.revision[:8]} && dvc repro` makes them"
    return f"`dvc fetch --all-commits {outputs}` gets them from the DVC remote, {made}"
