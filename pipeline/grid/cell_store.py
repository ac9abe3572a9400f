"""Stores the pictures of a grid's cells by content: their keys, which are missing, and their PNGs with texts.
Nothing here draws; torch is loaded only to hash a recipe's inputs or to read a pickle.

Pictures are stored in batches of one cell. A picture's last bits depend on how many are drawn with it, so a
batch is stored and redrawn as a whole. An interrupted grid then ends with the same bytes as an uninterrupted
one.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.bases.look import blocks_of_base
from pipeline.drawing.named_files import NO_FILES, NamedFiles
from pipeline.files.hashing import sha256_of_file
from pipeline.grid.axes import Cell
from pipeline.grid.cell_texts import files_named, texts_of
from pipeline.grid.merge_axes import Sweep
from pipeline.pictures.png import png_bytes, with_texts
from pipeline.prompts.settings import PictureJob
from pipeline.schemas import BaseConfig
from pipeline.store.items import Items, computed_key
from pipeline.store.known_hashes import sha256_of_model

VERSION = 4
"""Version of the algorithm: raise it when it would draw other pictures."""
Draw = Callable[[BaseConfig, Cell, Sequence[PictureJob]], Sequence[Image.Image]]
"""Draws some of a cell's pictures with a base."""


@dataclass(frozen=True)
class CellBatch:
    """Pictures that are drawn together, and the keys under which they are stored."""

    jobs: Sequence[PictureJob]
    keys: Sequence[str]


class CellStore:
    """`files`: networks and embeddings that prompts may call. `sweep`: the recipe of merged cells."""

    def __init__(self, base: BaseConfig, files: NamedFiles = NO_FILES, sweep: Sweep | None = None) -> None:
        self.base, self.files, self.sweep = base, files, sweep
        self.items = Items("sample_grid")
        self._hashes: dict[Path, str] = {}

    def missing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Cells with a picture that is not stored, in drawing order."""
        return [cell for cell in order_of_drawing(cells) if any(map(self._is_missing, self.batches(cell)))]

    def fill(self, cell: Cell, draw: Draw) -> None:
        """Draws and stores each batch with a missing picture."""
        for batch in filter(self._is_missing, self.batches(cell)):
            pictures = draw(self.base_of(cell), cell, batch.jobs)
            for item_key, picture in zip(batch.keys, pictures, strict=True):
                self.items.put(item_key, png_bytes(picture))

    def pngs(self, cell: Cell) -> list[bytes]:
        """The cell's pictures, one per job, with texts that say how they were drawn. All must be stored."""
        base, recipe = self.base_of(cell), self._recipe(cell)
        return [
            with_texts(png, texts_of(cell, job, base, self.sha256_of, self.files, recipe))
            for job, png in zip(cell.jobs, self._pngs(cell), strict=True)
        ]

    def pictures(self, cell: Cell) -> list[Image.Image]:
        """Like `pngs`, without the texts."""
        return [Image.open(io.BytesIO(png)) for png in self._pngs(cell)]

    def keys(self, cell: Cell) -> list[str]:
        """Keys of the cell's stored pictures, one per job."""
        return [item_key for batch in self.batches(cell) for item_key in batch.keys]

    def batches(self, cell: Cell) -> Iterator[CellBatch]:
        """The cell's jobs, grouped as they are drawn together."""
        jobs, together = cell.jobs, cell.settings.batch
        shared = self._shared(cell)
        for start in range(0, len(jobs), together):
            batch = jobs[start : start + together]
            drawn = [asdict(job) for job in batch]
            yield CellBatch(
                batch, [computed_key(**shared, jobs=drawn, place=place) for place in range(len(batch))]
            )

    def base_of(self, cell: Cell) -> BaseConfig:
        """The base that draws the cell, identified by its content."""
        if cell.checkpoint is None:
            return self.base
        path = Path(cell.checkpoint)
        if path not in self._hashes:
            self._hashes[path] = str(sha256_of_model(path))
        changes = {"path": cell.checkpoint, "sha256": self._hashes[path], "revision": None}
        return self.base.model_copy(update=changes)

    def sha256_of(self, path: Path) -> str:
        """A file's SHA-256; each file is read once."""
        if path not in self._hashes:
            self._hashes[path] = sha256_of_file(path)
        return self._hashes[path]

    def _pngs(self, cell: Cell) -> list[bytes]:
        return [self.items.read(item_key) for item_key in self.keys(cell)]

    def _is_missing(self, batch: CellBatch) -> bool:
        return not all(self.items.has(item_key) for item_key in batch.keys)

    def _shared(self, cell: Cell) -> dict[str, object]:
        """Everything that all pictures of the cell depend on, except their jobs."""
        settings = cell.settings.identity()
        del settings["batch"]  # each key lists the jobs drawn together
        network = [self.sha256_of(cell.network), cell.weight] if cell.network else None
        merge = {} if cell.merge is None else {"merge": self._recipe(cell)}
        return {
            **merge,
            "version": VERSION,
            "base": self.base_of(cell).identity(),
            "network": network,
            "blocks": self._factors(cell),
            "settings": settings,
            "files": self._files(cell),
        }

    def _factors(self, cell: Cell) -> list[float] | None:
        """Of the blocks' weights."""
        if cell.blocks is None:
            return None
        blocks = blocks_of_base(self.base_of(cell), cell.blocks.count)
        return list(cell.blocks.on(blocks).values())

    def _files(self, cell: Cell) -> dict[str, str]:
        """Hashes of the files that prompts and settings name, by the names used there."""
        named = {name: path for job in cell.jobs for name, path in files_named(cell, job, self.files).items()}
        return {name: self.sha256_of(path) for name, path in sorted(named.items())}

    def _recipe(self, cell: Cell) -> str | None:
        """The cell's own recipe, locked."""
        return None if cell.merge is None or not self.sweep else self.sweep.identity(cell.merge)


def order_of_drawing(cells: Iterable[Cell]) -> list[Cell]:
    """Orders cells so that the most expensive changes are outermost: checkpoint, merge, network, block
    weights, weight, the rest; within each, the grid's order.
    """
    cells = list(cells)
    costliest: list[Callable[[Cell], Any]] = [
        lambda cell: cell.checkpoint,
        lambda cell: cell.merge,
        lambda cell: cell.network,
        lambda cell: cell.blocks,
        lambda cell: cell.weight,
        lambda cell: cell.settings.clip_skip,
        lambda cell: cell.prompts,
    ]
    firsts = [_first_places(map(field, cells)) for field in costliest]
    return sorted(
        cells, key=lambda cell: [first[field(cell)] for field, first in zip(costliest, firsts, strict=True)]
    )


def _first_places(values: Iterable[Any]) -> dict[Any, int]:
    return {value: place for place, value in enumerate(dict.fromkeys(values))}
