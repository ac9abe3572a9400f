"""The cells of a grid: which network at which weight, and their pictures, drawn once and kept by content."""

import io
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.base.load import BaseModel, load_base
from pipeline.config.schemas import Base, SampleGrid
from pipeline.device import best_device
from pipeline.files.hashing import sha256_of_file
from pipeline.items import Items, key
from pipeline.networks.families import load
from pipeline.networks.network_files import epoch_files
from pipeline.pictures.png import png_bytes
from pipeline.sampling.settings import Job, Settings
from pipeline.sampling.text_to_image import draw

VERSION = 1
"""Of the algorithm: raise it when pictures would come out differently."""


@dataclass(frozen=True)
class Place:
    """An epoch file at a weight, or the base alone (no file)."""

    file: Path | None
    epoch: int
    weight: float


def places_of(folder: Path, weights: Sequence[float]) -> list[list[Place]]:
    """Rows: the base alone, then each epoch file at each weight."""
    rows = [[Place(file, epoch, weight) for weight in weights] for epoch, file in epoch_files(folder).items()]
    return [[Place(None, 0, 0.0)], *rows]


class Painter:
    """Draws cells, or takes them from the store; loads the base once, and only if something is to be
    drawn.
    """

    def __init__(self, base: Base, config: SampleGrid) -> None:
        self.base_config, self.config, self.items = base, config, Items("sample_grid")
        self.jobs = [Job(prompt, seed) for prompt in config.prompts for seed in config.seeds]
        self._base: BaseModel | None = None

    @property
    def base(self) -> BaseModel:
        if self._base is None:
            self._base = load_base(self.base_config).to(best_device())
        return self._base

    def cell(self, place: Place) -> list[Image.Image]:
        """The cell's pictures, a job each."""
        keys = self._keys(place)
        missing = [number for number, item_key in enumerate(keys) if not self.items.has(item_key)]
        if missing:
            fresh = self._fresh(place, [self.jobs[number] for number in missing])
            for number, picture in zip(missing, fresh, strict=True):
                self.items.put(keys[number], png_bytes(picture))
        return [Image.open(io.BytesIO(self.items.path(item_key).read_bytes())) for item_key in keys]

    def _keys(self, place: Place) -> list[str]:
        drawn = {"negative_prompt", "resolution", "steps", "guidance", "sampler"}
        cell = {
            "version": VERSION,
            "base": self.base_config.model_dump(),
            "network": [sha256_of_file(place.file), place.weight] if place.file else None,
            "settings": self.config.model_dump(include=drawn),
        }
        return [key(**cell, prompt=job.prompt, seed=job.seed) for job in self.jobs]

    def _fresh(self, place: Place, jobs: Sequence[Job]) -> Iterator[Image.Image]:
        attached: Any = nullcontext()
        if place.file:
            network = load(place.file, self.base).to(best_device())
            network.set_multiplier(place.weight)
            attached = network.attached(self.base)
        with attached:
            yield from draw(self.base, jobs, Settings.of(self.config, self.base_config))
