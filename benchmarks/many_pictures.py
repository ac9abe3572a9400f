"""A project with thousands of pictures, as the stages leave it: for the workbench's tests and measurements.

Twelve drawn pictures are linked under many names; tags are drawn at random from a fixed seed, a few of them
common, most rare.
"""

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import yaml
from PIL import Image, ImageDraw

from pipeline.files.atomic import write_jsonl
from pipeline.files.hashing import sha256_of_file

ROOT = Path(__file__).parent.parent
DISTINCT = 12
WHOLE_PX, CROP_PX = (320, 256), (256, 256)
MOST_TAGS_OF_ALL = 1500


def make_set(folder: Path, number: int, tags_each: int = 40, **filter_tags: Any) -> Path:
    """Decisions, settings (`filter_tags`: those changed), and the outputs of collect, crop and tag; returns
    the folder.
    """
    (folder / "data").mkdir(parents=True)
    (folder / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    for path in sorted((ROOT / "data").glob("*.yaml")):
        shutil.copy(path, folder / "data")
    resolved = yaml.safe_load((ROOT / "params.resolved.yaml").read_text(encoding="utf-8"))
    shown = {name: resolved[name] for name in ("collect", "crop", "tag", "filter_tags")}
    shown["filter_tags"] |= filter_tags
    (folder / "params.resolved.yaml").write_text(yaml.safe_dump(shown), encoding="utf-8")
    names = [f"zib/critter-{each:05}" for each in range(number)]
    originals = _pictures(folder / "data/collected", names, WHOLE_PX)
    crops = _pictures(folder / "data/cropped", names, CROP_PX)
    rows = [_row(name, originals[place % DISTINCT], WHOLE_PX) for place, name in enumerate(names)]
    write_jsonl(folder / "data/collected/records.jsonl", rows)
    cut = [_crop(row, crops[place % DISTINCT]) for place, row in enumerate(rows)]
    write_jsonl(folder / "data/cropped/records.jsonl", cut)
    write_jsonl(folder / "data/tags/tags.jsonl", _tags(names, tags_each))
    return folder


def _pictures(folder: Path, names: list[str], size_px: tuple[int, int]) -> list[str]:
    """Their hashes."""
    place = folder / "pictures/zib"
    place.mkdir(parents=True)
    for number in range(DISTINCT):
        _drawn(number, size_px).save(folder / f"{number}.png")
    for number, name in enumerate(names):
        os.link(folder / f"{number % DISTINCT}.png", place / f"{name.removeprefix('zib/')}.png")
    hashes = [sha256_of_file(folder / f"{number}.png") for number in range(DISTINCT)]
    for number in range(DISTINCT):
        (folder / f"{number}.png").unlink()
    return hashes


def _drawn(number: int, size_px: tuple[int, int]) -> Image.Image:
    width, height = size_px
    picture = Image.new("RGB", size_px, f"hsl({number * 30}, 45%, 80%)")
    pen = ImageDraw.Draw(picture)
    pen.ellipse(
        (width // 4, height // 4, width - width // 4, height - 20), fill=f"hsl({number * 30 + 140}, 50%, 45%)"
    )
    pen.rectangle((0, height - 30, width, height), fill=f"hsl({number * 30 + 60}, 40%, 55%)")
    pen.text((12, 12), str(number), fill="black", font_size=40)
    return picture


def _row(name: str, digest: str, size_px: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": name, "file": f"{name}.png", "sha256": digest, "width_px": size_px[0], "height_px": size_px[1],
        "concept": "zib", "repeats": 1, "is_class": False, "caption": None, "verdict": "ok", "notes": [],
        "group": name, "mask_file": None, "mask_sha256": None, "origin": {"path": f"pictures/{name}.png"},
    }  # fmt: skip


def _crop(row: dict[str, Any], digest: str) -> dict[str, Any]:
    origin = {
        "picture": row["id"], "parent": row["sha256"], "box_px": [32, 0, 256, 256], "scale": 1.0,
        "whole_px": list(WHOLE_PX), "mirrored": False, "by": "focal", "focus_px": [160, 128], "faces": [],
        "detectors": [],
    }  # fmt: skip
    return {**row, "sha256": digest, "width_px": CROP_PX[0], "height_px": CROP_PX[1], "origin": origin}


def _tags(names: list[str], each: int) -> list[dict[str, Any]]:
    random = Random(0)
    every = [f"tag_{number}" for number in range(MOST_TAGS_OF_ALL)]
    weights = [1 / (place + 3) for place in range(len(every))]
    rows = []
    for name in names:
        often = ["smile"] if random.random() < 0.3 else []
        chosen = sorted({*random.choices(every, weights, k=each), *often})
        scores = {tag: round(random.uniform(0.4, 1.0), 5) for tag in chosen}
        rows.append(
            {"id": name, "concept": "zib", "is_class": False, "caption": None, "sentence": None,
             "scores": {"general": scores, "rating": {"general": 1.0}}}
        )  # fmt: skip
    return rows
