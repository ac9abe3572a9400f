"""data/collected/ -> data/cropped/: square pictures at the training resolution, around what each is about.

In: data/collected/. Out: data/cropped/{pictures/,records.jsonl}, metrics/crop.json. Reads the group `crop`.
Deterministic: PNG without metadata. Kept by picture: one new picture costs one crop.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.command import run, start
from pipeline.config.schemas import Crop
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.hashing import sha256_of_bytes
from pipeline.items import Items, key
from pipeline.pictures.focal import find_focus, square_box
from pipeline.pictures.png import png_bytes
from pipeline.pictures.reading import read_picture
from pipeline.pictures.records import PICTURES, Record, read_records, write_records
from pipeline.progress import progress

VERSION = 1
"""Of the algorithm: raise it when a crop would come out differently."""


def crop(picture: Image.Image, config: Crop) -> tuple[bytes, dict[str, object]]:
    """The cropped picture as PNG, and how it was cut."""
    focus = find_focus(np.asarray(picture), config)
    left, top, width, height = square_box(*picture.size, focus)
    box = (left, top, left + width, top + height)
    cut = picture.resize(
        (config.resolution, config.resolution), Image.Resampling.LANCZOS, box=box, reducing_gap=3
    )
    how = {
        "box_px": [left, top, width, height],
        "scale": config.resolution / width,
        "detectors": list(focus.detectors),
        "faces_px": [list(face) for face in focus.faces],
    }
    return png_bytes(cut), how


def cropped(record: Record, source: Path, config: Crop, items: Items) -> tuple[Record, bytes]:
    """The crop of one picture, from the store if it was made before."""
    stem = key(version=VERSION, config=config.model_dump(), picture=record.sha256)
    png, how = items.get(f"{stem}.png"), items.get(f"{stem}.json")
    if png is None or how is None:
        png, facts = crop(read_picture(source / PICTURES / record.file), config)
        items.put(f"{stem}.png", png)
        how = items.put(f"{stem}.json", json.dumps(facts, sort_keys=True).encode())
    made = replace(
        record,
        file=f"{record.id}.png",
        sha256=sha256_of_bytes(png),
        width_px=config.resolution,
        height_px=config.resolution,
        origin={"parent": record.sha256, **json.loads(how)},
    )
    return made, png


def main(arguments: Sequence[str] = ()) -> None:
    job = start("crop", arguments)
    config, source, items = job.config.crop, Path("data/collected"), Items("crop")
    records = read_records(source)
    made = []
    with new_folder(job.out / "data/cropped") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda record: cropped(record, source, config, items), records)
        for record, png in progress(results, "crop", len(records)):
            target = folder / PICTURES / record.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(png)
            made.append(record)
        write_records(folder, made)
    enlarged = sum(record.origin["scale"] > 1 for record in made)
    detectors = Counter(name for record in made for name in record.origin["detectors"])
    write_json(
        job.out / "metrics/crop.json",
        {"pictures": len(made), "enlarged": enlarged, "detectors": dict(detectors)},
    )


if __name__ == "__main__":
    run(main)
