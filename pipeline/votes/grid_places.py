"""The places of the sample grid by label, as votes name them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.hashing import sha256_of_bytes
from pipeline.votes.vote_file import Choice, Pair, counted

GRID_FILE = Path("reports/sample-grid/grid.json")


@dataclass(frozen=True)
class GridPlace:
    """`network`: the file's name; None for the base alone. `epoch`: 0 of another training's file."""

    label: str
    sheet: int
    row: int
    column: int
    network: str | None
    epoch: int
    weight: float
    is_plain: bool
    """On the run's own base, every block at full weight: what the merge stage can make."""


def grid_name(data: bytes) -> str:
    """What votes call a grid: the beginning of its file's hash."""
    return sha256_of_bytes(data)[:12]


def places_of(content: Mapping[str, Any]) -> list[GridPlace]:
    """In the order of the cells in grid.json."""
    return [_place(content, cell) for cell in content["cells"]]


def _place(content: Mapping[str, Any], cell: Mapping[str, Any]) -> GridPlace:
    sheet, row, column = cell.get("sheet", 0), cell["row"], cell["column"]
    names = [content["rows"][row]]
    if cell["network"]:
        names += [content["columns"][column], content["sheets"][sheet] if content["sheets"] else ""]
    return GridPlace(
        label=", ".join(filter(None, names)),
        sheet=sheet,
        row=row,
        column=column,
        network=cell["network"],
        epoch=cell.get("epoch", 0),
        weight=float(cell.get("weight", 1.0)),
        is_plain=cell.get("checkpoint") is None and cell.get("merge") is None and _is_full(cell),
    )


def _is_full(cell: Mapping[str, Any]) -> bool:
    blocks = cell.get("block_weights")
    return blocks in (None, "ALL") or {part.strip() for part in str(blocks).split(",")} == {"1"}


def votes_on(places: Iterable[GridPlace], name: str, entries: Mapping[str, Any]) -> list[tuple[Pair, Choice]]:
    """The votes on the places of the grid of this name."""
    labels = {place.label for place in places}
    return [
        (pair, choice)
        for pair, choice in counted(entries, name)
        if pair.first in labels and pair.second in labels
    ]
