"""Writes reports/sample-grid/: the pictures, the grid as one picture and as a page, its manifests, the
choice.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from pipeline.files.atomic import write_bytes, write_csv, write_json, write_text
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.choice import Candidate
from pipeline.grid.layout import Labels, Tile, block, table
from pipeline.grid.manifest import (
    PICTURE_COLUMNS,
    CellScores,
    by_place,
    evidence,
    is_plain,
    manifest,
    picture_rows,
)
from pipeline.grid.plan import Grid, GridSlot, cell_names, labels_of, picture_file
from pipeline.pictures.thumbnails import webp_thumbnail, webp_uri
from pipeline.reports.grid import GRID_THUMBNAIL_PX, IN_CELLS, PageCell, PageSheet, page
from pipeline.schemas import SampleGridConfig
from pipeline.schemas.samplers import A1111_NAMES

WEBP_SIDE_PX = 4096
"""Longest side of a cell's pictures in one WebP; a phone shows no larger ones."""
MEGAPIXEL = 1e6


def write_report(
    folder: Path,
    config: SampleGridConfig,
    grid: Grid,
    store: CellStore,
    scores: CellScores,
    epochs: Mapping[Path, int],
    ranking: Sequence[Candidate],
) -> None:
    """Writes everything below `folder`. `epochs`: by the training's files; without a ranking the last one is
    chosen.
    """
    names = cell_names(grid)
    for cell, name in names.items():
        write_pngs(folder, cell, name, store)
    thumbnails = {cell: _write_webp(folder, cell, name, store) for cell, name in names.items()}
    _picture(config, grid, store, scores).save(folder / "grid.png")
    write_json(folder / "grid.json", manifest(config, grid, scores, epochs))
    write_csv(folder / "grid.csv", PICTURE_COLUMNS, picture_rows(grid, epochs))
    rows = evidence(ranking, by_place(scores, epochs))
    write_json(folder / "ranking.json", rows)
    chosen = ranking[0].file if ranking else max(epochs, key=lambda file: epochs[file])
    scored = bool(ranking) and ranking[0].total is not None
    write_json(folder / "choice.json", {"file": chosen.name, "scored": scored})
    sheets = _sheets(grid, scores, thumbnails, ranking)
    write_text(folder / "index.html", page(config.title, sheets, rows, _shared(grid), _jobs(grid)))


def write_pngs(folder: Path, cell: Cell, name: str, store: CellStore) -> None:
    """Writes the cell's pictures with their texts."""
    for number, png in enumerate(store.pngs(cell)):
        write_bytes(folder / picture_file(name, number), png)


def _write_webp(folder: Path, cell: Cell, name: str, store: CellStore) -> str:
    """Writes the cell's pictures as one WebP; returns its thumbnail as a data URI."""
    pictures = block(store.pictures(cell), cell.per_row)
    thumbnail = webp_uri(webp_thumbnail(pictures, GRID_THUMBNAIL_PX))
    pictures.thumbnail((WEBP_SIDE_PX, WEBP_SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    pictures.save(buffer, "WEBP", quality=90, method=4)
    write_bytes(folder / f"cells/{name}.webp", buffer.getvalue())
    return thumbnail


def _picture(config: SampleGridConfig, grid: Grid, store: CellStore, scores: CellScores) -> Image.Image:
    """Draws grid.png."""
    tiles = [
        Tile(
            slot.sheet,
            slot.row,
            slot.column,
            lambda cell=slot.cell: store.pictures(cell),  # type: ignore[misc]
            len(slot.cell.jobs),
            slot.cell.per_row,
            *store.pictures(slot.cell)[0].size,
            _note(scores, slot.cell),
        )
        for slot in grid.slots
    ]
    labels = Labels(config.title, grid.sheets, grid.rows, grid.columns)
    return table(labels, tiles, config.max_megapixels * MEGAPIXEL)


def _note(scores: CellScores, cell: Cell) -> str:
    return ", ".join(_page_cell("", scores, cell).texts(IN_CELLS))


def _page_cell(
    label: str,
    scores: CellScores,
    cell: Cell,
    thumbnail: str = "",
    name: str = "",
    span: int = 1,
    is_best: bool = False,
) -> PageCell:
    pictures = [picture_file(name, number) for number in range(len(cell.jobs))]
    return PageCell(label, thumbnail, f"cells/{name}.webp", pictures, span, scores[cell].as_dict(), is_best)


def _sheets(
    grid: Grid, scores: CellScores, thumbnails: Mapping[Cell, str], ranking: Sequence[Candidate]
) -> list[PageSheet]:
    names = cell_names(grid)
    best = (ranking[0].file, ranking[0].weight) if ranking else None

    def cell_of(slot: GridSlot, span: int) -> PageCell:
        label, cell = " · ".join(labels_of(grid, slot)), slot.cell
        is_best = (cell.network, cell.weight) == best and is_plain(cell)
        return _page_cell(label, scores, cell, thumbnails[cell], names[cell], span, is_best)

    sheets = []
    for sheet, label in enumerate(grid.sheets):
        rows = []
        for row, row_label in enumerate(grid.rows):
            slots = [slot for slot in grid.slots if (slot.sheet, slot.row) == (sheet, row)]
            ends = [*(slot.column for slot in slots[1:]), len(grid.columns)]
            cells = [cell_of(slot, end - slot.column) for slot, end in zip(slots, ends, strict=True)]
            rows.append((row_label, cells))
        sheets.append(PageSheet(label, grid.columns, rows))
    return sheets


def _shared(grid: Grid) -> list[tuple[str, Sequence[str]]]:
    """The settings that are the same in every cell, in readable form."""
    every = [_readable_settings(cell) for cell in grid.cells]
    return [
        (name, texts)
        for name, texts in every[0].items()
        if any(texts) and {settings[name] for settings in every} == {texts}
    ]


def _readable_settings(cell: Cell) -> dict[str, tuple[str, ...]]:
    settings = cell.settings
    return {
        "prompts": cell.prompts,
        "negative prompt": (settings.negative_prompt,),
        "seeds": (", ".join(map(str, cell.seeds)),),
        "sampler": (f"{A1111_NAMES[settings.sampler]}, {settings.steps} steps",),
        "guidance": (f"{settings.guidance:g}",),
        "clip skip": (str(settings.clip_skip),),
        "resolution": (f"{settings.width}x{settings.height} px",),
        "second pass": (str(settings.second_pass or ""),),
    }


def _jobs(grid: Grid) -> list[str]:
    """A text for each picture of a cell: the prompt and seed that all cells share."""
    prompts, seeds = ({cell.prompts for cell in grid.cells}, {cell.seeds for cell in grid.cells})
    if len({len(cell.jobs) for cell in grid.cells}) > 1:
        return []
    first = grid.cells[0]
    parts = [
        [*([job.prompt] if len(prompts) == 1 else []), *([f"seed {job.seed}"] if len(seeds) == 1 else [])]
        for job in first.jobs
    ]
    return [", ".join(part) or f"picture {number + 1}" for number, part in enumerate(parts)]
