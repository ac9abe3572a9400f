"""models/network/ -> reports/sample-grid/: what every epoch draws at every weight, beside the base alone.

In: models/network/, the base, the tagger (to score). Out:
reports/sample-grid/{grid.png,grid.json,choice.json}, metrics/sample_grid.json, plots/sample-grid/scores.csv.
Reads `base`, `tag`, `sample_grid`. Deterministic: noise by seed, from the CPU. Kept by picture: another
weight draws only its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.command import run, start
from pipeline.config.schemas import Config, SampleGrid
from pipeline.device import make_repeatable
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.progress import progress
from pipeline.sampling.cells import Painter, Place, places_of
from pipeline.sampling.layout import Cell, table
from pipeline.sampling.scores import Score, score

NETWORKS = Path("models/network")

Pictures = Mapping[Place, Sequence[Image.Image]]
Scores = Mapping[Place, Score]


def judge(config: Config, prompts: Sequence[str], pictures: Pictures) -> dict[Place, Score]:
    """Every cell's score by the tagger; nothing where no subject is named, or there is no tagger."""
    wanted = config.sample_grid
    if not wanted.subject_tags or config.tag.model is None:
        return {}
    from pipeline.vision.averaged import AveragedTaggers

    taggers = AveragedTaggers(config.tag)
    found = {place: taggers.tags(drawn) for place, drawn in pictures.items()}
    return {
        place: score(prompts, tags, wanted.subject_tags, wanted.tag_threshold)
        for place, tags in found.items()
    }


def best_place(scores: Scores) -> Place:
    """The highest sum of both scores; of equals the shortest training, then the lowest weight."""
    trained = [place for place in scores if place.file]
    return max(
        trained, key=lambda place: (sum(scores[place].as_dict().values()), -place.epoch, -place.weight)
    )


def summary(scores: Scores) -> dict[str, Any]:
    """metrics/sample_grid.json: the base alone, and the best place."""
    base = next(place for place in scores if place.file is None)
    best = best_place(scores)
    return {
        "base": scores[base].as_dict(),
        "best": {"epoch": best.epoch, "weight": best.weight, **scores[best].as_dict()},
    }


def manifest(config: SampleGrid, rows: list[list[Place]], scores: Scores) -> dict[str, Any]:
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
    return {"settings": config.model_dump(), "cells": cells}


def picture_of(
    config: SampleGrid, rows: list[list[Place]], pictures: Pictures, scores: Scores
) -> Image.Image:
    """grid.png: a row for the base alone, then one an epoch; a column a weight."""
    notes = {place: f"subject {s.subject:.0%}, prompt {s.prompt:.0%}" for place, s in scores.items()}
    cells = [[Cell(pictures[place], notes.get(place, "")) for place in places] for places in rows]
    labels = ["base alone", *(f"epoch {places[0].epoch}" for places in rows[1:])]
    return table(
        labels, [f"weight {weight:g}" for weight in config.weights], cells, per_row=len(config.seeds)
    )


def main(arguments: Sequence[str] = ()) -> None:
    job = start("sample-grid", arguments)
    config = job.config.sample_grid
    make_repeatable()
    rows = places_of(NETWORKS, config.weights)
    painter = Painter(job.config.base, config)
    places = [place for row in rows for place in row]
    pictures = {place: painter.cell(place) for place in progress(places, "sample-grid")}
    scores = judge(job.config, [drawn.prompt for drawn in painter.jobs], pictures)
    chosen = best_place(scores) if scores else rows[-1][-1]
    assert chosen.file is not None
    with new_folder(job.out / "reports/sample-grid") as folder:
        picture_of(config, rows, pictures, scores).save(folder / "grid.png")
        write_json(folder / "grid.json", manifest(config, rows, scores))
        write_json(folder / "choice.json", {"file": chosen.file.name, "scored": bool(scores)})
    write_json(job.out / "metrics/sample_grid.json", summary(scores) if scores else {"cells": len(places)})
    lines = [(place.epoch, place.weight, *result.as_dict().values()) for place, result in scores.items()]
    write_csv(job.out / "plots/sample-grid/scores.csv", ("epoch", "weight", "subject", "prompt"), lines)


if __name__ == "__main__":
    run(main)
