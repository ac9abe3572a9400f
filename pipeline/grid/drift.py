"""The cells that show drift: each network at each weight, and the base alone, drawn for prompts of other
things. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.grid.axes import Cell
from pipeline.grid.manifest import is_base_alone, is_plain


def drift_cells(cells: Iterable[Cell], prompts: Sequence[str]) -> dict[Cell, Cell]:
    """Each cell of those prompts, and the base's own that it is compared with; empty without prompts."""
    if not prompts:
        return {}
    drawn = [replace(cell, prompts=tuple(prompts)) for cell in cells if is_plain(cell) or is_base_alone(cell)]
    pairs = {cell: cell.alone() for cell in drawn if cell.network}
    return {**pairs, **{alone: alone for alone in pairs.values()}}
