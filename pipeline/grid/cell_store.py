"""The pictures of a grid's cells, kept by content: what they follow from, which are missing, and their PNGs
with texts. Nothing here draws; torch is loaded only to hash a recipe's inputs or to read a pickle.

Pictures are kept in batches of one cell: a picture's last bits depend on how many are drawn with it, so that
a batch is kept, and drawn anew, as a whole. What was interrupted ends with the same bytes as what was not.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.bases.registry import blocks_of
from pipeline.config.schemas import Base
from pipeline.drawing.named_files import NO_FILES, NamedFiles
from pipeline.files.hashing import sha256_of_file
from pipeline.grid.axes import Cell
from pipeline.grid.cell_texts import files_named, texts_of
from pipeline.grid.merge_axes import Sweep
from pipeline.pictures.png import png_bytes, with_texts
from pipeline.prompts.settings import Job
from pipeline.store.items import Items, key
from pipeline.store.known_hashes import sha256_of_model

VERSION = 4
"""Of the algorithm: raise it when pictures would come out differently."""
Draw = Callable[[Base, Cell, Sequence[Job]], Sequence[Image.Image]]
"""Draws some of a cell's pictures with a base."""


@dataclass(frozen=True)
class Batch:
    """Pictures that are drawn together, and the keys under which they are kept."""

    jobs: Sequence[Job]
    keys: Sequence[str]


class CellStore:
    """`files`: the networks and embeddings that prompts may call. `sweep`: the recipe of cells that are
    merged.
    """

    def __init__(self, base: Base, files: NamedFiles = NO_FILES, sweep: Sweep | None = None) -> None:
        self.base, self.files, self.sweep = base, files, sweep
        self.items = Items("sample_grid")
        self._hashes: dict[Path, str] = {}

    def missing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those of which a picture is not kept, in the order of drawing."""
        return [cell for cell in order_of_drawing(cells) if any(map(self._is_missing, self.batches(cell)))]

    def fill(self, cell: Cell, draw: Draw) -> None:
        """Draws the batches of which a picture is missing, and keeps each."""
        for batch in filter(self._is_missing, self.batches(cell)):
            pictures = draw(self.base_of(cell), cell, batch.jobs)
            for item_key, picture in zip(batch.keys, pictures, strict=True):
                self.items.put(item_key, png_bytes(picture))

    def pngs(self, cell: Cell) -> list[bytes]:
        """The cell's pictures, a job each, with what they were drawn with; all must be there."""
        base, recipe = self.base_of(cell), self._recipe(cell)
        return [
            with_texts(png, texts_of(cell, job, base, self.sha256_of, self.files, recipe))
            for job, png in zip(cell.jobs, self._pngs(cell), strict=True)
        ]

    def pictures(self, cell: Cell) -> list[Image.Image]:
        """As `pngs`, without texts."""
        return [Image.open(io.BytesIO(png)) for png in self._pngs(cell)]

    def keys(self, cell: Cell) -> list[str]:
        """Under which the cell's pictures are kept, a job each."""
        return [item_key for batch in self.batches(cell) for item_key in batch.keys]

    def batches(self, cell: Cell) -> Iterator[Batch]:
        """The cell's jobs, as many at a time as are drawn together."""
        jobs, together = cell.jobs, cell.settings.batch
        shared = self._shared(cell)
        for start in range(0, len(jobs), together):
            batch = jobs[start : start + together]
            drawn = [asdict(job) for job in batch]
            yield Batch(batch, [key(**shared, jobs=drawn, place=place) for place in range(len(batch))])

    def base_of(self, cell: Cell) -> Base:
        """The base that the cell is drawn with, by its content."""
        if cell.checkpoint is None:
            return self.base
        path = Path(cell.checkpoint)
        if path not in self._hashes:
            self._hashes[path] = str(sha256_of_model(path))
        changes = {"path": cell.checkpoint, "sha256": self._hashes[path], "revision": None}
        return self.base.model_copy(update=changes)

    def sha256_of(self, path: Path) -> str:
        """A file's; each is read once."""
        if path not in self._hashes:
            self._hashes[path] = sha256_of_file(path)
        return self._hashes[path]

    def _pngs(self, cell: Cell) -> list[bytes]:
        return [self.items.read(item_key) for item_key in self.keys(cell)]

    def _is_missing(self, batch: Batch) -> bool:
        return not all(self.items.has(item_key) for item_key in batch.keys)

    def _shared(self, cell: Cell) -> dict[str, object]:
        """What all pictures of the cell follow from, but for their jobs."""
        settings = cell.settings.identity()
        del settings["batch"]  # the jobs drawn together say it
        network = [self.sha256_of(cell.network), cell.weight] if cell.network else None
        merge = {} if cell.merge is None else {"merge": self._recipe(cell)}
        return {
            **merge,
            "version": VERSION,
            "base": self.base_of(cell).identity(),
            "network": network,
            "blocks": list(cell.blocks.on(blocks_of(self.base.family)).values()) if cell.blocks else None,
            "settings": settings,
            "files": self._files(cell),
        }

    def _files(self, cell: Cell) -> dict[str, str]:
        """Hashes of the files that prompts and settings name, by the names that they have for them."""
        named = {name: path for job in cell.jobs for name, path in files_named(cell, job, self.files).items()}
        return {name: self.sha256_of(path) for name, path in sorted(named.items())}

    def _recipe(self, cell: Cell) -> str | None:
        """The cell's own recipe, locked."""
        return None if cell.merge is None or not self.sweep else self.sweep.identity(cell.merge)


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
