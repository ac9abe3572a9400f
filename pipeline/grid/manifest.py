"""A grid's rows for files: where each cell is, how it is drawn, its figures. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.grid.axes import Cell
from pipeline.grid.choice import Candidate, Scored
from pipeline.grid.plan import Grid, cell_names, picture_file
from pipeline.schemas import SampleGridConfig

CellScores = Mapping[Cell, Scored]
FileEpochAndWeight = tuple[Path, int, float]

PICTURE_COLUMNS = (
    "file", "sheet", "row", "column", "sheet_label", "row_label", "column_label", "checkpoint", "merge",
    "network", "epoch", "weight", "block_weights", "prompt", "negative_prompt", "seed", "sampler", "steps",
    "guidance", "width", "height", "clip_skip", "second_pass",
)  # fmt: skip
SCORE_COLUMNS = (
    "epoch", "weight", "subject", "prompt", "clip", "identity", "likeness", "nearest_training", "quality",
    "blank", "sharpness", "colours", "clipped", "diversity", "copies", "nearest_bits", "nearest_distance",
    "sheet", "row", "column",
)  # fmt: skip


def facts(cell: Cell, epochs: Mapping[Path, int]) -> dict[str, Any]:
    """How the cell is drawn. `epochs`: by file."""
    settings = cell.settings
    return {
        "checkpoint": cell.checkpoint,
        "merge": None if cell.merge is None else ", ".join(f"{name} {value}" for name, value in cell.merge),
        "network": cell.network.name if cell.network else None,
        "epoch": epochs.get(cell.network, 0) if cell.network else 0,
        "weight": cell.weight,
        "block_weights": cell.blocks.name if cell.blocks else None,
        "negative_prompt": settings.negative_prompt,
        "sampler": settings.sampler,
        "steps": settings.steps,
        "guidance": settings.guidance,
        "width": settings.width,
        "height": settings.height,
        "clip_skip": settings.clip_skip,
        "second_pass": str(settings.second_pass) if settings.second_pass else None,
    }


def manifest(
    config: SampleGridConfig, grid: Grid, scores: CellScores, epochs: Mapping[Path, int]
) -> dict[str, Any]:
    """The content of grid.json."""
    names = cell_names(grid)
    return {
        "settings": _settings(config),
        "sheets": list(grid.sheets),
        "rows": list(grid.rows),
        "columns": list(grid.columns),
        "cells": [
            {
                "sheet": slot.sheet,
                "row": slot.row,
                "column": slot.column,
                **facts(slot.cell, epochs),
                "score": each.score.as_dict() if (each := scores[slot.cell]).score else None,
                "figures": each.as_dict(),
                "image": f"cells/{names[slot.cell]}.webp",
                "pictures": [
                    {"file": picture_file(names[slot.cell], number), "prompt": job.prompt, "seed": job.seed}
                    for number, job in enumerate(slot.cell.jobs)
                ],
            }
            for slot in grid.slots
        ],
    }


def _settings(config: SampleGridConfig) -> dict[str, Any]:
    """Without questions the key is left out, so that votes, which name the file's hash, still count."""
    return config.model_dump(exclude=None if config.questions else {"questions"})


def picture_rows(grid: Grid, epochs: Mapping[Path, int]) -> list[list[Any]]:
    """grid.csv: a row for each picture of each slot, columns PICTURE_COLUMNS."""
    names = cell_names(grid)
    rows = []
    for slot in grid.slots:
        place = {
            **facts(slot.cell, epochs),
            "sheet": slot.sheet,
            "row": slot.row,
            "column": slot.column,
            "sheet_label": grid.sheets[slot.sheet],
            "row_label": grid.rows[slot.row],
            "column_label": grid.columns[slot.column],
        }
        for number, job in enumerate(slot.cell.jobs):
            picture = {"file": picture_file(names[slot.cell], number), "prompt": job.prompt, "seed": job.seed}
            rows.append([{**place, **picture}[column] for column in PICTURE_COLUMNS])
    return rows


def score_rows(grid: Grid, scores: CellScores, epochs: Mapping[Path, int]) -> list[list[Any]]:
    """plots/sample-grid/scores.csv: a row for each slot, columns SCORE_COLUMNS; unknown figures are empty."""
    rows = []
    for slot in grid.slots:
        place = {"sheet": slot.sheet, "row": slot.row, "column": slot.column}
        figures = {**facts(slot.cell, epochs), **scores[slot.cell].as_dict(), **place}
        rows.append([figures[column] for column in SCORE_COLUMNS])
    return rows


def is_plain(cell: Cell) -> bool:
    """On the configured base and with all blocks at full weight: what the merge stage merges."""
    is_base = cell.checkpoint is None and cell.merge is None
    return is_base and (cell.blocks is None or cell.blocks.is_neutral)


def is_base_alone(cell: Cell) -> bool:
    """Without network and merge."""
    return cell.network is None and cell.merge is None


def by_place(scores: CellScores, epochs: Mapping[Path, int]) -> dict[FileEpochAndWeight, list[Scored]]:
    """Their figures, by file, epoch and weight."""
    return {
        place: [scores[cell] for cell in cells] for place, cells in cells_by_place(scores, epochs).items()
    }


def cells_by_place(cells: Iterable[Cell], epochs: Mapping[Path, int]) -> dict[FileEpochAndWeight, list[Cell]]:
    """Plain cells of the training's networks, by file, epoch and weight."""
    found: dict[FileEpochAndWeight, list[Cell]] = {}
    for cell in cells:
        if cell.network and cell.network in epochs and is_plain(cell):
            found.setdefault((cell.network, epochs[cell.network], cell.weight), []).append(cell)
    return found


def means(cells: Sequence[Scored]) -> dict[str, float]:
    """The mean of each known figure."""
    known: dict[str, list[float]] = {}
    for cell in cells:
        for name, value in cell.as_dict().items():
            if isinstance(value, int | float):
                known.setdefault(name, []).append(value)
    return {name: round(fmean(values), 4) for name, values in known.items()}


def summary(
    scores: CellScores, ranking: Sequence[Candidate], places: Mapping[FileEpochAndWeight, Sequence[Scored]]
) -> dict[str, Any]:
    """The content of metrics/sample_grid.json: the base alone, and the best epoch and weight."""
    content: dict[str, Any] = {
        "cells": len(scores),
        "pictures": sum(each.num_pictures for each in scores.values()),
    }
    if base := [scored for cell, scored in scores.items() if is_base_alone(cell)]:
        content["base"] = means(base)
    if ranking:
        best = ranking[0]
        figures = means(places[best.file, best.epoch, best.weight])
        content["best"] = {"epoch": best.epoch, "weight": best.weight, **figures, **_joint(best)}
    return content


def _joint(best: Candidate) -> dict[str, Any]:
    """The joint score and its sides."""
    if best.joint is None:
        return {}
    found = best.joint.as_dict()
    return {"joint": found["value"], "sides": found["sides"]}


def evidence(
    ranking: Sequence[Candidate], places: Mapping[FileEpochAndWeight, Sequence[Scored]]
) -> list[dict[str, Any]]:
    """The content of ranking.json: every epoch and weight, best first, with figures and faults."""
    return [
        {
            "file": each.file.name,
            "epoch": each.epoch,
            "weight": each.weight,
            "total": each.total,
            "against": list(each.against),
            "joint": each.joint.as_dict() if each.joint else None,
            "equal": each.is_equal,
            "lost": list(each.lost),
            "measures": {name: found.as_dict() for name, found in each.measures.items()},
            "figures": means(places[each.file, each.epoch, each.weight]),
        }
        for each in ranking
    ]
