"""Which cell stands where: the axes' values laid out as sheets (z) of rows (y) and columns (x), a row for the
base alone in each, and the order in which they are drawn. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from pipeline.config.ranges import Values
from pipeline.config.recipes import OF_THE_RUN, uses_network_of_the_run, with_inputs_of_the_run
from pipeline.config.schemas import SampleGrid
from pipeline.errors import UserError
from pipeline.grid.axes import AXES, Cell
from pipeline.grid.merge_axes import Sweep
from pipeline.networks.epochs import network_files

NO_AXIS = "none"
BASE_ALONE = "base alone"
OWN_KEYS = {"weight": "weights", "seed": "seeds", "prompt": "prompts"}
"""Keys of the group that give an axis its values where it names none."""
ALL_EPOCHS = "all"
MERGE, SECOND_PASS = "merge_", "second_pass_"
"""How the names of the axes begin that vary a recipe, or the second pass."""


@dataclass(frozen=True)
class Slot:
    """A place of the grid and what is drawn there."""

    sheet: int
    row: int
    column: int
    cell: Cell


@dataclass(frozen=True)
class Grid:
    """Labels of sheets, rows and columns (an axis that is not used has one, empty), and what stands there."""

    sheets: Sequence[str]
    rows: Sequence[str]
    columns: Sequence[str]
    slots: Sequence[Slot]

    @property
    def cells(self) -> list[Cell]:
        """Each once, in the order of the slots."""
        return list(dict.fromkeys(slot.cell for slot in self.slots))


def axis_values(config: SampleGrid, axis: str) -> list[Any]:
    """The values of the axis `x`, `y` or `z`, read but for network files, which are named alone. Raises
    UserError.
    """
    kind, values = _axis(config, axis)
    if kind == NO_AXIS:
        if values is not None:
            raise UserError(
                f"sample_grid.{axis}_values has no axis; name one in sample_grid.{axis}, or set it to null"
            )
        return [None]
    if values is None:
        values = ALL_EPOCHS if kind == "network" else getattr(config, OWN_KEYS.get(kind, ""), None)
    if values is None:
        raise UserError(f"sample_grid.{axis}_values is null; give the values of {kind}")
    try:
        return AXES[kind].read(values)
    except UserError as error:
        raise UserError(*(f"sample_grid.{axis}_values: {problem}" for problem in error.problems)) from None


def axes_problems(config: SampleGrid) -> list[str]:
    """All that is wrong with the axes, in sentences."""
    problems: list[str] = []
    kinds = [kind for kind in (config.x, config.y, config.z) if kind != NO_AXIS]
    if len(set(kinds)) < len(kinds):
        problems.append(f"sample_grid: two axes are the same ({', '.join(kinds)}); each may be there once")
    if config.second_pass_upscaler is None and (second := [k for k in kinds if k.startswith(SECOND_PASS)]):
        problems.append(
            f"sample_grid: the axis {second[0]} varies a second pass; name its upscaler in"
            " sample_grid.second_pass_upscaler"
        )
    for axis in ("x", "y", "z"):
        try:
            axis_values(config, axis)
        except UserError as error:
            problems += error.problems
    return problems or _merge_problems(config, kinds)


def _merge_problems(config: SampleGrid, kinds: Sequence[str]) -> list[str]:
    """Why the recipe cannot be varied along the axes."""
    names = [kind.removeprefix(MERGE) for kind in kinds if kind.startswith(MERGE)]
    if not isinstance(config.merge, dict):
        return [
            f"sample_grid: the axis {MERGE}{name} varies a recipe; name its file in sample_grid.merge"
            for name in names
            if config.merge is None
        ]
    problems = []
    if {"alpha", "blocks"} <= set(names):
        problems.append(
            "sample_grid: merge_alpha and merge_blocks both say the U-Net's weight; make one of them an axis"
        )
    if "checkpoint" in kinds:
        problems.append("sample_grid: beside a merge there can be no axis checkpoint; vary the recipe")
    if uses_network_of_the_run(config.merge) and ("network" in kinds or "weight" in kinds):
        problems.append(
            "sample_grid.merge uses `network`, which no axis can vary then; leave it out of the recipe, and"
            " it is drawn with the merge, or take the axes network and weight away"
        )
    content = with_inputs_of_the_run(config.merge, dict.fromkeys(OF_THE_RUN, "-"))
    values = [axis_values(config, axis) for axis in "xyz" if getattr(config, axis).startswith(MERGE)]
    for each in product(*values):
        try:
            Sweep(content, config.merge_step).check(tuple(sorted(zip(names, each, strict=True))))
        except UserError as error:
            problems += error.problems
    return list(dict.fromkeys(problems))


def plan(config: SampleGrid, start: Cell, epochs: Mapping[int, Path], folder: Path) -> Grid:
    """The grid. `start`: what every cell begins with; `epochs`: the training's files, which lie in
    `folder`.
    """
    kinds = {axis: getattr(config, axis) for axis in "xyz"}
    values = {axis: axis_values(config, axis) for axis in "xyz"}
    for axis, kind in kinds.items():
        if kind == "network":
            values[axis] = network_files(values[axis], epochs, folder)
    sheets, has_base = [], False
    for z in values["z"]:
        of_sheet = varied(start, kinds["z"], z)
        in_columns = [varied(of_sheet, kinds["x"], x) for x in values["x"]]
        table = [[varied(cell, kinds["y"], y) for cell in in_columns] for y in values["y"]]
        table = [[_pruned(cell) for cell in row] for row in table]
        if any(cell.network or cell.merge is not None for row in table for cell in row):
            table, has_base = [[cell.alone() for cell in in_columns], *table], True
        sheets.append(table)
    names = {axis: _labels(kinds[axis], values[axis], epochs, config.labels) for axis in "xyz"}
    base_row = [config.labels.get(BASE_ALONE, BASE_ALONE)] if has_base else []
    slots = [slot for sheet, table in enumerate(sheets) for slot in _slots(sheet, table)]
    return Grid(names["z"], [*base_row, *names["y"]], names["x"], slots)


def _pruned(cell: Cell) -> Cell:
    """Without a network, weight and blocks mean nothing."""
    return cell if cell.network else replace(cell, weight=0.0, blocks=None)


def varied(cell: Cell, kind: str, value: Any) -> Cell:
    return cell if kind == NO_AXIS else AXES[kind].apply(cell, value)


def order_of_drawing(cells: Iterable[Cell]) -> list[Cell]:
    """The dearest to change outermost: checkpoint, merge, network, its blocks' weights, its weight, the rest;
    within each the order of the grid.
    """
    cells = list(cells)
    dearest: list[Callable[[Cell], Any]] = [
        lambda cell: cell.checkpoint,
        lambda cell: cell.merge,
        lambda cell: cell.network,
        lambda cell: cell.blocks,
        lambda cell: cell.weight,
        lambda cell: cell.settings.clip_skip,
        lambda cell: cell.prompts,
    ]
    firsts = [_first_places(map(field, cells)) for field in dearest]
    return sorted(
        cells, key=lambda cell: [first[field(cell)] for field, first in zip(dearest, firsts, strict=True)]
    )


def _first_places(values: Iterable[Any]) -> dict[Any, int]:
    return {value: place for place, value in enumerate(dict.fromkeys(values))}


def _axis(config: SampleGrid, axis: str) -> tuple[str, Values | None]:
    return getattr(config, axis), getattr(config, f"{axis}_values")


def _labels(
    kind: str, values: Sequence[Any], epochs: Mapping[int, Path], renamed: Mapping[str, str]
) -> list[str]:
    """`renamed`: what the user calls them instead."""
    if kind == NO_AXIS:
        return [""]
    if kind == "network":
        by_file = {file: f"epoch {epoch}" for epoch, file in epochs.items()}
        labels = [by_file.get(file, file.stem) for file in values]
    else:
        labels = [AXES[kind].label(value) for value in values]
    if len(set(labels)) < len(labels) and all(isinstance(value, str | Path) for value in values):
        labels = [str(value) for value in values]
    return [renamed.get(label, label) for label in labels]


def _slots(sheet: int, table: Sequence[Sequence[Cell]]) -> list[Slot]:
    """Without a network a row may be the same in every column: it is shown once."""
    return [
        Slot(sheet, row, column, cell)
        for row, cells in enumerate(table)
        for column, cell in enumerate(cells)
        if cell.network or cell.merge is not None or cell not in cells[:column]
    ]
