"""The places of a grid for the verdict: each network at each weight, with the measures of its pictures in one
order of prompts and seeds. Pure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.grid.axes import Cell
from pipeline.grid.choice import Scored, faults
from pipeline.grid.manifest import CellScores, cells_by_place, is_base_alone
from pipeline.verdict.measures import Place

PictureKey = tuple[Any, ...]
"""What pictures of two places must share to be compared: how they were drawn, prompt and seed."""
NO_WEIGHT = "at weight 0 it is the base alone"
Figures = Mapping[str, Mapping[PictureKey, float]]


def places_of(
    scores: CellScores, drifted: CellScores, epochs: Mapping[Path, int]
) -> tuple[list[Place], Place | None]:
    """Every network of the training at every weight, and the base alone if the grid drew it. `drifted`: cells
    of the drift prompts; `epochs`: by file.
    """
    every = {**drifted, **scores}
    base_cells = [cell for cell in every if is_base_alone(cell)]
    alone = [scored for cell, scored in scores.items() if is_base_alone(cell)]
    order = _orders(every)
    places = [
        _place(
            file,
            epoch,
            weight,
            {cell: every[cell] for cell in cells},
            order,
            [*([] if weight else [NO_WEIGHT]), *_faults(cells, scores, alone)],
        )
        for (file, epoch, weight), cells in cells_by_place(every, epochs).items()
    ]
    base = _place(None, 0, 0.0, {cell: every[cell] for cell in base_cells}, order, []) if base_cells else None
    return places, base


def _faults(cells: Sequence[Cell], scores: CellScores, alone: Sequence[Scored]) -> list[str]:
    of_grid = [scores[cell] for cell in cells if cell in scores]
    return faults(of_grid, alone) if of_grid else []


def _orders(scores: CellScores) -> dict[str, list[PictureKey]]:
    """Of each measure, all pictures that have it."""
    keys = dict[str, dict[PictureKey, None]]()
    for cell, scored in scores.items():
        for name in scored.pictures:
            keys.setdefault(name, {}).update(dict.fromkeys(_keys(cell)))
    return {name: list(each) for name, each in keys.items()}


def _place(
    file: Path | None,
    epoch: int,
    weight: float,
    cells: CellScores,
    order: Mapping[str, Sequence[PictureKey]],
    against: Sequence[str],
) -> Place:
    figures = dict[str, dict[PictureKey, float]]()
    for cell, scored in cells.items():
        for name, values in scored.pictures.items():
            known = {one: each for one, each in zip(_keys(cell), values, strict=True) if each is not None}
            figures.setdefault(name, {}).update(known)
    arrays = {
        name: np.array([figures.get(name, {}).get(one, np.nan) for one in keys], np.float64)
        for name, keys in order.items()
    }
    numbers = {name: _numbers(keys) for name, keys in order.items()}
    return Place(file, epoch, weight, arrays, numbers, against)


def _numbers(keys: Sequence[PictureKey]) -> list[int]:
    """A number for each way to draw and prompt: pictures of one differ by their seed."""
    strata = {stratum: number for number, stratum in enumerate(dict.fromkeys(one[:-1] for one in keys))}
    return [strata[one[:-1]] for one in keys]


def _keys(cell: Cell) -> list[PictureKey]:
    return [(cell.settings, job.prompt, job.seed) for job in cell.jobs]
