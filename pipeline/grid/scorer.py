"""Scores every cell: measures of its pictures, and the tagger's and CLIP's scores if such models are
configured. Stored by content: a cell with figures is not scored again.
"""

import io
from collections.abc import Collection, Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from pipeline.grid.answers import Answers
from pipeline.grid.asked import asked_of
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.choice import Scored
from pipeline.grid.eye import Eye
from pipeline.grid.measures import CellMeasures, Nearest, TrainingPictures, measure
from pipeline.grid.scores import Seen, score, seen
from pipeline.pictures.records import PICTURE_FOLDER, Record, read_records
from pipeline.progress import progress
from pipeline.schemas import Config
from pipeline.store.items import Items, key
from pipeline.verdict.measures import BLEED, PROMPT, PROMPT_CLIP, RETAINED, SUBJECT

VERSION = 2
"""Version of the algorithm: raise it when figures would change."""


class Scorer:
    """Loads a model only for a cell without figures. `cropped`: data/cropped, the training pictures;
    `held_out`: ids of those that were not trained on.
    """

    def __init__(
        self, config: Config, store: CellStore, cropped: Path, held_out: Collection[str] = ()
    ) -> None:
        self.config, self.store, self.cropped = config, store, cropped
        self.items = Items("sample_grid_scores")
        self.records = [record for record in read_records(cropped) if not record.is_class]
        self.answers = Answers(config.vision, config.sample_grid.questions, store)
        self.eye = Eye(config.vision, store, self.records, set(held_out), cropped)

    def scored(self, cells: Iterable[Cell]) -> dict[Cell, Scored]:
        return {cell: self._scored(cell) for cell in progress(list(cells), "scores")}

    def drifted(self, cell: Cell, alone: Cell) -> Scored:
        """Of a cell of drift prompts: how far it is from the base's, and what it still shows of them."""
        shown = self._seen(cell)
        kept = dict[str, list[float | None]]()
        if shown is not None:
            kept[RETAINED.name] = [each.share for each in shown]
            kept[BLEED.name] = [float(each.shown) for each in shown]
        figures = {} if cell == alone else self.eye.drift(cell, alone)
        return Scored(len(cell.jobs), self._measures(cell), pictures={**kept, **figures})

    def _scored(self, cell: Cell) -> Scored:
        shown, clip = self._seen(cell), self._clip(cell)
        pictures = {**self.eye.figures(cell), **self.answers.figures(cell)}
        if shown is not None:
            pictures[SUBJECT.name] = [float(each.shown) for each in shown]
            pictures[PROMPT.name] = [each.share for each in shown]
        if clip is not None:
            pictures[PROMPT_CLIP.name] = [*clip]
        return Scored(
            len(cell.jobs),
            self._measures(cell),
            None if shown is None else score(shown),
            None if clip is None else round(fmean(clip), 4),
            pictures,
        )

    def _measures(self, cell: Cell) -> CellMeasures:
        bits = self.config.sample_grid.copy_bits
        training = [record.sha256 for record in self.records]

        def make() -> dict[str, Any]:
            prompts = [job.prompt for job in cell.jobs]
            return asdict(measure(self.store.pictures(cell), prompts, self.training, bits))

        kept = self.items.json(self._key(cell, kind="measures", training=training, bits=bits), make)
        return CellMeasures(**{**kept, "nearest": Nearest(**kept["nearest"]) if kept["nearest"] else None})

    def _seen(self, cell: Cell) -> list[Seen] | None:
        grid, tag = self.config.sample_grid, self.config.tag
        if not grid.subject_tags or tag.model is None:
            return None
        options = {"subject": grid.subject_tags, "threshold": grid.tag_threshold}

        def make() -> list[dict[str, Any]]:
            tags = self.taggers.tags(self.store.pictures(cell))
            rows = seen(asked_of(cell), tags, grid.subject_tags, grid.tag_threshold)
            return [asdict(each) for each in rows]

        kept = self.items.json(self._key(cell, kind="tags", tag=tag.of_taggers(), **options), make)
        return [Seen(**each) for each in kept]

    def _clip(self, cell: Cell) -> list[float] | None:
        grid = self.config.sample_grid
        if grid.clip is None:
            return None

        def make() -> list[float]:
            return [round(each, 4) for each in self.clip.scores(self.store.pictures(cell), asked_of(cell))]

        kept = self.items.json(self._key(cell, kind="clip", model=grid.clip_sha256), make)
        return [float(each) for each in kept]

    def _key(self, cell: Cell, **parts: Any) -> str:
        return key(version=VERSION, pictures=self.store.keys(cell), prompts=asked_of(cell), **parts)

    @cached_property
    def taggers(self) -> Any:
        from pipeline.vision.averaged import AveragedTaggers

        return AveragedTaggers(self.config.tag)

    @cached_property
    def clip(self) -> Any:
        from pipeline.device import make_repeatable
        from pipeline.vision.clip_score import ClipScorer

        make_repeatable()
        return ClipScorer(Path(str(self.config.sample_grid.clip)))

    @cached_property
    def training(self) -> TrainingPictures | None:
        known = [self._training_picture(record) for record in progress(self.records, "training pictures")]
        return TrainingPictures.joined(known) if known else None

    def _training_picture(self, record: Record) -> TrainingPictures:
        item_key = key(version=VERSION, kind="training", picture=record.sha256)
        kept = self.items.get(item_key)
        if kept is None:
            with Image.open(self.cropped / PICTURE_FOLDER / record.file) as picture:
                made = TrainingPictures.of({record.id: picture.convert("RGB")})
            buffer = io.BytesIO()
            np.savez(buffer, hashes=made.hashes, small=made.small)
            kept = self.items.put(item_key, buffer.getvalue())
        arrays = np.load(io.BytesIO(kept), allow_pickle=False)
        return TrainingPictures([record.id] * len(arrays["hashes"]), arrays["hashes"], arrays["small"])
