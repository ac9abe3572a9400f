"""The part of the sample grid on the page: the base next to the proposed file, and their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_file
from pipeline.reports.run.four_pictures import FourPictures, VerdictPicture
from pipeline.reports.thumbnails import data_uris

MOST_PROMPTS, MOST_COLUMNS = 4, 8
PICTURE_PX, CELL_PX = 320, 320
ManifestCell = Mapping[str, Any]


@dataclass(frozen=True)
class PicturePair:
    """One prompt and seed: the base alone (None if the grid did not draw it) and the proposed file; pictures
    are data URIs.
    """

    prompt: str
    seed: int
    base: str | None
    trained: str


@dataclass(frozen=True)
class GridRow:
    """Cells are (label, data URI, link, whether proposed)."""

    label: str
    cells: Sequence[tuple[str, str, str, bool]]


def proposed_cells(grid: Mapping[str, Any], file: str, weight: float | None) -> list[ManifestCell]:
    """Cells of the file at the weight (None: its highest) on the run's base, with all blocks at full weight;
    empty if the grid has none.
    """
    changed = ("checkpoint", "block_weights", "merge")
    plain = [
        cell
        for cell in grid["cells"]
        if cell["network"] == file and all(cell[name] is None for name in changed)
    ]
    shown_weight = max((cell["weight"] for cell in plain), default=None) if weight is None else weight
    return [cell for cell in plain if cell["weight"] == shown_weight]


@dataclass(frozen=True)
class ShownFour:
    """The verdict's pictures, each with its data URI and its link."""

    prompt: str
    seed: int
    pictures: Sequence[tuple[VerdictPicture, str, str]]


def shown_four(four: FourPictures | None, folder: Path) -> ShownFour | None:
    """`folder`: the grid's, next to the page."""
    if four is None:
        return None
    uris = inlined(folder, [each.file for each in four.pictures], PICTURE_PX)
    page = f"{folder.name}/index.html"
    rows = [(each, uris[each.file], f"{page}#{each.anchor}") for each in four.pictures]
    return ShownFour(four.prompt, four.seed, rows)


def pairs(
    grid: Mapping[str, Any], cells: Sequence[ManifestCell], folder: Path, four: FourPictures | None = None
) -> list[PicturePair]:
    """One pair for each prompt, with its first seed; none of the prompt and seed of `four`."""
    alone = {
        (each["prompt"], each["seed"]): each["file"]
        for cell in grid["cells"]
        if cell["network"] is None and cell["checkpoint"] is None and cell["merge"] is None
        for each in reversed(cell["pictures"])
    }
    first: dict[str, Mapping[str, Any]] = {}
    for cell in cells:
        for each in cell["pictures"]:
            first.setdefault(each["prompt"], each)
    seen = (four.prompt, four.seed) if four else None
    chosen = [each for each in first.values() if (each["prompt"], each["seed"]) != seen][:MOST_PROMPTS]
    keys = [(each["prompt"], each["seed"]) for each in chosen]
    names = [each["file"] for each in chosen] + [alone[key] for key in keys if key in alone]
    uris = inlined(folder, names, PICTURE_PX)
    return [
        PicturePair(*key, uris[alone[key]] if key in alone else None, uris[each["file"]])
        for key, each in zip(keys, chosen, strict=True)
    ]


def rows(grid: Mapping[str, Any], cells: Sequence[ManifestCell], folder: Path) -> list[GridRow]:
    """The base's row and the row with the first proposed cell, from one sheet; without such a cell the first
    row and the last.
    """
    sheet = cells[0]["sheet"] if cells else 0
    of_sheet = [cell for cell in grid["cells"] if cell["sheet"] == sheet]
    numbers = sorted({cell["row"] for cell in of_sheet})
    base = next((cell["row"] for cell in of_sheet if cell["network"] is None), numbers[0])
    chosen_rows = [base, cells[0]["row"] if cells else numbers[-1]]
    places = {id(cell) for cell in cells}
    first = max(0, cells[0]["column"] + 1 - MOST_COLUMNS) if cells else 0
    shown = {
        row: _from(first, [cell for cell in of_sheet if cell["row"] == row])
        for row in dict.fromkeys(chosen_rows)
    }
    uris = inlined(folder, [cell["image"] for of_row in shown.values() for cell in of_row], CELL_PX)
    return [
        GridRow(
            grid["rows"][row],
            [
                (
                    grid["columns"][cell["column"]] if len(of_row) > 1 else "",
                    uris[cell["image"]],
                    f"{folder.name}/{cell['image']}",
                    id(cell) in places,
                )
                for cell in of_row
            ],
        )
        for row, of_row in shown.items()
    ]


def _from(column: int, cells: Sequence[ManifestCell]) -> Sequence[ManifestCell]:
    """At most MOST_COLUMNS cells; a row that spans all columns has one."""
    later = [cell for cell in cells if cell["column"] >= column]
    return (later or cells)[:MOST_COLUMNS]


def inlined(folder: Path, names: Sequence[str], side_px: int) -> dict[str, str]:
    """Data URIs by name. A missing file is a user error."""
    if missing := [name for name in dict.fromkeys(names) if not (folder / name).is_file()]:
        raise UserError(
            f"{folder}: {', '.join(missing)}: missing; `dvc checkout sample-grid` fetches it,"
            " `dvc repro -f sample-grid` draws it again"
        )
    digests = {name: sha256_of_file(folder / name) for name in dict.fromkeys(names)}
    uris = data_uris({digest: folder / name for name, digest in digests.items()}, side_px)
    return {name: uris[digest] for name, digest in digests.items()}


def infotext(picture: Path) -> str:
    """AUTOMATIC1111's `parameters` of a PNG; empty if it has none."""
    from PIL import Image

    with Image.open(picture) as opened:
        return str(opened.info.get("parameters", ""))
