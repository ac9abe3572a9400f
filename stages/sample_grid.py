"""models/network/ -> reports/sample-grid/: what every epoch draws at every weight, beside the base alone.

In: models/network/, the base, the tagger (to score). Out:
reports/sample-grid/{grid.png,grid.json,choice.json}, metrics/sample_grid.json, plots/sample-grid/scores.csv.
Reads `base`, `tag`, `sample_grid`. Deterministic: noise by seed, from the CPU. Kept by cell: another weight
draws only its own pictures.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.base.load import BaseModel, load_base
from pipeline.captions.rules import spaced
from pipeline.captions.wd14 import Wd14Tagger
from pipeline.command import run, start
from pipeline.config.schemas import Config
from pipeline.device import best_device, make_repeatable
from pipeline.files.atomic import new_folder, write_json, write_text
from pipeline.files.hashing import sha256_of_file
from pipeline.items import Items, key
from pipeline.networks.network import Network
from pipeline.progress import progress
from pipeline.sampling.layout import Cell, table
from pipeline.sampling.scores import Score, score
from pipeline.sampling.text_to_image import Job, Settings, draw

VERSION = 1
"""Of the algorithm: raise it when pictures would come out differently."""
NETWORKS = Path("models/network")


@dataclass(frozen=True)
class Place:
    """A cell: the epoch file at a weight, or the base alone (no file)."""

    file: Path | None
    weight: float

    @property
    def epoch(self) -> int:
        """Its training's length; 0 for the base alone."""
        return int(self.file.stem.rpartition("-")[2]) if self.file else 0


def settings_of(config: Config) -> Settings:
    wanted = config.sample_grid
    return Settings(
        steps=wanted.steps,
        guidance=wanted.guidance,
        sampler=wanted.sampler,
        negative_prompt=wanted.negative_prompt,
        resolution=wanted.resolution,
        clip_skip=1,
        batch=wanted.batch,
    )


def places_of(folder: Path, weights: Sequence[float]) -> list[list[Place]]:
    """Rows: the base alone, then each epoch file at each weight."""
    epochs = sorted(folder.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return [[Place(None, 0.0)], *([Place(file, weight) for weight in weights] for file in epochs)]


class Painter:
    """Draws cells, or takes them from the store; loads the base once, and only if something is to be
    drawn.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.items = config, Items("sample_grid")
        self.jobs = [
            Job(prompt, seed) for prompt in config.sample_grid.prompts for seed in config.sample_grid.seeds
        ]
        self._base: BaseModel | None = None

    @property
    def base(self) -> BaseModel:
        if self._base is None:
            self._base = load_base(self.config.base).to(best_device())
        return self._base

    def cell(self, place: Place) -> list[Image.Image]:
        """The cell's pictures, a job each."""
        keys = [self._key(place, job) for job in self.jobs]
        missing = [number for number, item_key in enumerate(keys) if self.items.get(item_key) is None]
        if missing:
            for number, picture in zip(
                missing, self._fresh(place, [self.jobs[n] for n in missing]), strict=True
            ):
                buffer = io.BytesIO()
                picture.save(buffer, "PNG")
                self.items.put(keys[number], buffer.getvalue())
        return [Image.open(self.items.path(item_key)).convert("RGB") for item_key in keys]

    def _key(self, place: Place, job: Job) -> str:
        drawn = self.config.sample_grid.model_dump(
            include={"negative_prompt", "resolution", "steps", "guidance", "sampler"}
        )
        network = [sha256_of_file(place.file), place.weight] if place.file else None
        return key(
            version=VERSION,
            base=self.config.base.model_dump(),
            network=network,
            prompt=job.prompt,
            seed=job.seed,
            **drawn,
        )

    def _fresh(self, place: Place, jobs: Sequence[Job]) -> Iterator[Image.Image]:
        attached: Any = nullcontext()
        if place.file:
            network = Network.load(place.file, self.base.unet, self.base.text_encoder).to(best_device())
            network.set_multiplier(place.weight)
            attached = network.attached(self.base.unet, self.base.text_encoder)
        with attached:
            yield from draw(self.base, jobs, settings_of(self.config))


def tags_of(tagger: Wd14Tagger, pictures: Iterable[Image.Image], batch: int) -> list[dict[str, float]]:
    """Every tag's score of each picture, by its name with spaces."""
    names = [spaced(label.name) for label in tagger.labels]
    return [dict(zip(names, np.asarray(row).tolist(), strict=True)) for row in tagger.scores(pictures, batch)]


def best_place(scores: Mapping[Place, Score]) -> Place:
    """The place with the highest sum of both scores; of equals the shortest training, then the lowest
    weight.
    """
    trained = [place for place in scores if place.file]
    return max(
        trained, key=lambda place: (scores[place].subject + scores[place].prompt, -place.epoch, -place.weight)
    )


def report(scores: Mapping[Place, Score]) -> dict[str, Any]:
    """metrics/sample_grid.json: the base alone, the best place, and every epoch at its best weight."""
    base = next(place for place in scores if place.file is None)
    best = best_place(scores)
    return {
        "base": scores[base].as_dict(),
        "best": {"epoch": best.epoch, "weight": best.weight, **scores[best].as_dict()},
    }


def scores_csv(scores: Mapping[Place, Score]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", "weight", "subject", "prompt"))
    writer.writerows(
        (place.epoch, place.weight, *result.as_dict().values()) for place, result in scores.items()
    )
    return text.getvalue()


def manifest(config: Config, rows: list[list[Place]], scores: Mapping[Place, Score]) -> dict[str, Any]:
    """grid.json: what stands where, drawn how."""
    cells = [
        {
            "row": row,
            "column": column,
            "network": place.file.name if place.file else None,
            "epoch": place.epoch,
            "weight": place.weight,
            "score": scores[place].as_dict() if place in scores else None,
        }
        for row, places in enumerate(rows)
        for column, place in enumerate(places)
    ]
    return {"settings": config.sample_grid.model_dump(), "cells": cells}


def write_report(
    folder: Path,
    config: Config,
    rows: list[list[Place]],
    pictures: Mapping[Place, list[Image.Image]],
    scores: Mapping[Place, Score],
) -> None:
    """grid.png, grid.json, choice.json."""
    note = {place: f"subject {s.subject:.0%}, prompt {s.prompt:.0%}" for place, s in scores.items()}
    cells = [[Cell(pictures[place], note.get(place, "")) for place in places] for places in rows]
    labels = ["base alone", *(f"epoch {places[0].epoch}" for places in rows[1:])]
    columns = [f"weight {weight:g}" for weight in config.sample_grid.weights]
    grid = table(labels, columns, cells, per_row=len(config.sample_grid.seeds))
    grid.save(folder / "grid.png")
    write_json(folder / "grid.json", manifest(config, rows, scores))
    chosen = best_place(scores) if scores else rows[-1][-1]
    assert chosen.file is not None
    write_json(
        folder / "choice.json",
        {"file": chosen.file.name, "epoch": chosen.epoch, "weight": chosen.weight, "scored": bool(scores)},
    )


def main(arguments: Sequence[str] = ()) -> None:
    job = start("sample-grid", arguments)
    config = job.config
    make_repeatable()
    rows = places_of(NETWORKS, config.sample_grid.weights)
    painter = Painter(config)
    places = [place for row in rows for place in row]
    pictures = {place: painter.cell(place) for place in progress(places, "sample-grid")}
    scores: dict[Place, Score] = {}
    if config.sample_grid.subject_tags:
        tagger = Wd14Tagger(Path(config.tag.model))
        prompts = [drawn.prompt for drawn in painter.jobs]
        for place, drawn_pictures in pictures.items():
            found = tags_of(tagger, drawn_pictures, config.tag.batch)
            scores[place] = score(
                prompts, found, config.sample_grid.subject_tags, config.sample_grid.tag_threshold
            )
    with new_folder(job.out / "reports/sample-grid") as folder:
        write_report(folder, config, rows, pictures, scores)
    write_json(
        job.out / "metrics/sample_grid.json",
        report(scores) if scores else {"pictures": len(painter.jobs) * len(places)},
    )
    write_text(job.out / "plots/sample-grid/scores.csv", scores_csv(scores))


if __name__ == "__main__":
    run(main)
