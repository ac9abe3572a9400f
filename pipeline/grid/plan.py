"""Plans the grid: a cell for each combination of the axes' values, as sheets (z) of rows (y) and columns (x),
in each sheet a row for the base alone, and the names of the cells' files. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.ranges import RangeValues
from pipeline.errors import UserError
from pipeline.grid.axes import GRID_AXES, Cell
from pipeline.networks.epochs import network_files
from pipeline.schemas import SampleGridConfig

NO_AXIS = "none"
BASE_ALONE = "base alone"
OWN_KEYS = {"weight": "weights", "seed": "seeds", "prompt": "prompts"}
"""Keys of the group that give an axis its values if its own are null."""
ALL_EPOCHS = "all"


@dataclass(frozen=True)
class GridSlot:
    """A position in the grid, and its cell."""

    sheet: int
    row: int
    column: int
    cell: Cell


@dataclass(frozen=True)
class Grid:
    """Labels of sheets, rows and columns (an unused axis has one, empty), and the slots."""

    sheets: Sequence[str]
    rows: Sequence[str]
    columns: Sequence[str]
    slots: Sequence[GridSlot]

    @property
    def cells(self) -> list[Cell]:
        """Each cell once, in the order of the slots."""
        return list(dict.fromkeys(slot.cell for slot in self.slots))


def axis_values(config: SampleGridConfig, axis: str) -> list[Any]:
    """The values of the axis `x`, `y` or `z`, parsed; network files are still names. Raises UserError."""
    kind, values = _axis(config, axis)
    if kind == NO_AXIS:
        if values is not None:
            raise UserError(
                f"sample_grid.{axis}_values is set without an axis; name one in sample_grid.{axis}, or set"
                " the values to null"
            )
        return [None]
    if values is None:
        values = ALL_EPOCHS if kind == "network" else getattr(config, OWN_KEYS.get(kind, ""), None)
    if values is None:
        raise UserError(f"sample_grid.{axis}_values is null; list the values of {kind} there")
    try:
        return GRID_AXES[kind].read(values)
    except UserError as error:
        raise UserError(*(f"sample_grid.{axis}_values: {problem}" for problem in error.problems)) from None


def plan(config: SampleGridConfig, start: Cell, epochs: Mapping[int, Path], folder: Path) -> Grid:
    """`start`: the cell that the axes change; `epochs`: the training's files, which are in `folder`."""
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
    """Without a network, weight and blocks have no effect."""
    return cell if cell.network else replace(cell, weight=0.0, blocks=None)


def varied(cell: Cell, kind: str, value: Any) -> Cell:
    return cell if kind == NO_AXIS else GRID_AXES[kind].apply(cell, value)


def _axis(config: SampleGridConfig, axis: str) -> tuple[str, RangeValues | None]:
    return getattr(config, axis), getattr(config, f"{axis}_values")


def _labels(
    kind: str, values: Sequence[Any], epochs: Mapping[int, Path], renamed: Mapping[str, str]
) -> list[str]:
    """`renamed`: the user's labels for some of them."""
    if kind == NO_AXIS:
        return [""]
    if kind == "network":
        by_file = {file: f"epoch {epoch}" for epoch, file in epochs.items()}
        labels = [by_file.get(file, file.stem) for file in values]
    else:
        labels = [GRID_AXES[kind].label(value) for value in values]
    if len(set(labels)) < len(labels) and all(isinstance(value, str | Path) for value in values):
        labels = [str(value) for value in values]
    return [renamed.get(label, label) for label in labels]


def _slots(sheet: int, table: Sequence[Sequence[Cell]]) -> list[GridSlot]:
    """A row without a network may be the same in every column: it is shown once."""
    return [
        GridSlot(sheet, row, column, cell)
        for row, cells in enumerate(table)
        for column, cell in enumerate(cells)
        if cell.network or cell.merge is not None or cell not in cells[:column]
    ]


def cell_names(grid: Grid) -> dict[Cell, str]:
    """A file name for each cell: its number, and the labels of its first slot."""
    names: dict[Cell, str] = {}
    for slot in grid.slots:
        if slot.cell not in names:
            labels = re.sub(r"[^A-Za-z0-9.]+", "-", " ".join(labels_of(grid, slot)).strip())
            names[slot.cell] = f"{len(names):03}-{labels[:60]}".strip("-.")
    return names


def labels_of(grid: Grid, slot: GridSlot) -> list[str]:
    """Labels of sheet, row and column, without empty ones. A row that is shown once for all columns has no
    column label.
    """
    once = sum(other.row == slot.row and other.sheet == slot.sheet for other in grid.slots) == 1
    column = "" if once and len(grid.columns) > 1 else grid.columns[slot.column]
    return [label for label in (grid.sheets[slot.sheet], grid.rows[slot.row], column) if label]


def picture_file(cell_name: str, number: int) -> str:
    return f"pictures/{cell_name}-{number + 1:02}.png"
