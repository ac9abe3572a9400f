"""Rows of a grid that is wider than the page."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.reports.run.grid_view import MOST_COLUMNS, proposed_cells, rows

COLUMNS = 10


def grid(folder: Path) -> dict[str, Any]:
    """The base in one cell, and one network at ten weights."""
    (folder / "cells").mkdir(parents=True)
    shared = {"sheet": 0, "checkpoint": None, "block_weights": None, "merge": None}
    places = [(0, 0, None), *((1, column, "net.safetensors") for column in range(COLUMNS))]
    cells = []
    for row, column, network in places:
        image = f"cells/{row}-{column}.webp"
        Image.new("RGB", (8, 8), (row * 100, column * 20, 0)).save(folder / image)
        place = {"row": row, "column": column, "network": network, "image": image}
        cells.append({**shared, **place, "weight": (column + 1) / 10})
    return {"rows": ["base", "net"], "columns": [f"weight {n + 1}" for n in range(COLUMNS)], "cells": cells}


@pytest.mark.parametrize(("weight", "first"), [(0.1, 0), (0.8, 0), (1.0, 2)])
def test_the_proposed_cell_is_among_those_shown(weight: float, first: int, tmp_path: Path) -> None:
    whole = grid(tmp_path / "sample-grid")
    cells = proposed_cells(whole, "net.safetensors", weight)
    base, net = rows(whole, cells, tmp_path / "sample-grid")
    assert [label for label, *_ in base.cells] == [""]
    assert [label for label, *_ in net.cells] == whole["columns"][first : first + MOST_COLUMNS]
    assert [is_proposed for *_, is_proposed in net.cells].count(True) == 1
