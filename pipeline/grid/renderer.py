"""The pictures of a grid's cells, drawn once and kept by content.

Drawn in batches of one cell: a picture's last bits depend on how many are drawn with it, so that a batch is
kept, and drawn anew, as a whole. What was interrupted ends with the same bytes as what was not.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from pipeline.bases.base import Base as LoadedBase
from pipeline.bases.load import load_base
from pipeline.config.schemas import Base
from pipeline.device import best_device
from pipeline.drawing.aesthetic import Aesthetic
from pipeline.drawing.library import Library
from pipeline.drawing.strength import set_strength
from pipeline.drawing.text_to_image import NO_NETWORKS, draw
from pipeline.files.hashing import sha256_of_file
from pipeline.grid.axes import Cell
from pipeline.grid.cell_texts import files_named, texts_of
from pipeline.grid.merge_axes import Sweep, Variation
from pipeline.grid.plan import order_of_drawing
from pipeline.merging.in_memory import MergedBase, Merges
from pipeline.networks.aesthetic import AestheticEmbedding
from pipeline.networks.families import load
from pipeline.networks.trained import Trained
from pipeline.pictures.png import png_bytes, with_texts
from pipeline.prompts.settings import Job
from pipeline.store.items import Items, key
from pipeline.store.known_hashes import sha256_of_model

VERSION = 4
"""Of the algorithm: raise it when pictures would come out differently."""


@dataclass(frozen=True)
class Batch:
    """Pictures that are drawn together, and the keys under which they are kept."""

    jobs: Sequence[Job]
    keys: Sequence[str]


class Painter:
    """Draws what the store does not hold. A base is loaded only if something is drawn with it, a network once
    for all its weights.
    """

    def __init__(self, base: Base, library: Library = NO_NETWORKS, sweep: Sweep | None = None) -> None:
        """`library`: the networks that prompts may call. `sweep`: the recipe of cells that are merged."""
        self.base, self.library, self.items = base, library, Items("sample_grid")
        self.sweep = sweep
        self._merged: tuple[Variation, MergedBase] | None = None
        self._loaded: tuple[Base, LoadedBase] | None = None
        self._network: tuple[Path, LoadedBase, Trained] | None = None
        self._hashes: dict[Path, str] = {}
        self._recipes: dict[Variation, str] = {}

    def missing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those of which a picture is not in the store, in the order of drawing."""
        return [cell for cell in order_of_drawing(cells) if any(map(self._is_missing, self.batches(cell)))]

    def draw(self, cell: Cell) -> None:
        """Draws the batches of which a picture is missing, and keeps each."""
        for batch in filter(self._is_missing, self.batches(cell)):
            for item_key, picture in zip(batch.keys, self._drawn(cell, batch.jobs), strict=True):
                self.items.put(item_key, png_bytes(picture))

    def pngs(self, cell: Cell) -> list[bytes]:
        """The cell's pictures, a job each, with what they were drawn with; all must be in the store."""
        base, recipe = self.base_of(cell), self._recipe(cell)
        return [
            with_texts(png, texts_of(cell, job, base, self.sha256_of, self.library, recipe))
            for job, png in zip(cell.jobs, self._pngs(cell), strict=True)
        ]

    def pictures(self, cell: Cell) -> list[Image.Image]:
        """As `pngs`, without texts."""
        return [Image.open(io.BytesIO(png)) for png in self._pngs(cell)]

    def keys(self, cell: Cell) -> list[str]:
        return [item_key for batch in self.batches(cell) for item_key in batch.keys]

    def batches(self, cell: Cell) -> Iterator[Batch]:
        jobs, together = cell.jobs, cell.settings.batch
        alike = self._alike(cell)
        for start in range(0, len(jobs), together):
            batch = jobs[start : start + together]
            drawn = [asdict(job) for job in batch]
            yield Batch(batch, [key(**alike, jobs=drawn, place=place) for place in range(len(batch))])

    def _pngs(self, cell: Cell) -> list[bytes]:
        return [self.items.read(item_key) for item_key in self.keys(cell)]

    def _is_missing(self, batch: Batch) -> bool:
        return not all(self.items.has(item_key) for item_key in batch.keys)

    def _alike(self, cell: Cell) -> dict[str, object]:
        """What all pictures of the cell follow from beside their jobs."""
        settings = asdict(cell.settings)
        del settings["batch"]  # the jobs drawn together say it
        network = [self.sha256_of(cell.network), cell.weight] if cell.network else None
        merge = {} if cell.merge is None else {"merge": self._recipe(cell)}
        return {
            **merge,
            "version": VERSION,
            "base": self.base_of(cell).identity(),
            "network": network,
            "blocks": cell.blocks.factors if cell.blocks else None,
            "settings": settings,
            "files": self._files(cell),
        }

    def _files(self, cell: Cell) -> dict[str, str]:
        """Hashes of the files that prompts and settings name, by the names that they have for them."""
        named = {
            name: path for job in cell.jobs for name, path in files_named(cell, job, self.library).items()
        }
        return {name: self.sha256_of(path) for name, path in sorted(named.items())}

    def base_of(self, cell: Cell) -> Base:
        if cell.checkpoint is None:
            return self.base
        path = Path(cell.checkpoint)
        if path not in self._hashes:
            self._hashes[path] = str(sha256_of_model(path))
        changes = {"path": cell.checkpoint, "sha256": self._hashes[path], "revision": None}
        return self.base.model_copy(update=changes)

    def sha256_of(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = sha256_of_file(path)
        return self._hashes[path]

    def _drawn(self, cell: Cell, jobs: Sequence[Job]) -> list[Image.Image]:
        base = self._load_base(self.base_of(cell))
        aesthetic = None
        self._merge(base, cell.merge)
        with ExitStack() as stack:
            if cell.network:
                network = self._load_network(cell.network, base)
                set_strength(network, base, cell.weight, cell.blocks)
                stack.enter_context(network.attached(base))
                if isinstance(network, AestheticEmbedding):
                    aesthetic = _aesthetic(network)
            return list(draw(base, jobs, cell.settings, self.library, aesthetic))

    @cached_property
    def _merges(self) -> Merges:
        """Inputs opened, hashed and checked, where a cell is merged at all."""
        assert self.sweep
        return Merges(self.sweep.content, "sample_grid.merge")

    def _recipe(self, cell: Cell) -> str | None:
        """The cell's own recipe, locked."""
        if cell.merge is None or not self.sweep:
            return None
        if cell.merge not in self._recipes:
            self._recipes[cell.merge] = self._merges.identity(self.sweep.overrides(cell.merge))
        return self._recipes[cell.merge]

    def _merge(self, base: LoadedBase, variation: Variation | None) -> None:
        """Makes the loaded base the cell's, if it is not already."""
        before, merged = self._merged or (None, None)
        if before == variation:
            return
        self._network = None  # some keep what they need of the base's weights
        self._merged = None
        merged = merged or MergedBase(self._merges, base)
        if variation is None or not self.sweep:
            merged.become(None)
        else:
            merged.become(self.sweep.overrides(variation))
            self._merged = variation, merged

    def _load_base(self, config: Base) -> LoadedBase:
        if self._loaded is None or self._loaded[0] != config:
            self._loaded = self._network = self._merged = None  # room for the next before it comes
            self._loaded = config, load_base(config).to(best_device())
        return self._loaded[1]

    def _load_network(self, path: Path, base: LoadedBase) -> Trained:
        if self._network is None or self._network[:2] != (path, base):
            network = load(path, base).to(best_device())
            self._network = path, base, network
        return self._network[2]


def _aesthetic(network: AestheticEmbedding) -> Aesthetic:
    return Aesthetic(
        embedding=network.embedding,
        projection=network.projection,
        weight=network.multiplier,
        steps=network.steps,
        lr=network.lr,
        slerp=network.slerp,
    )
