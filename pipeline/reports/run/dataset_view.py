"""The dataset in a few figures, a strip of pictures, and its most common tags."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.atomic import read_jsonl
from pipeline.pictures.records import PICTURE_FOLDER
from pipeline.reports.thumbnails import data_uris

MOST_PICTURES, MOST_REPORT_TAGS, STRIP_PX = 24, 20, 160


@dataclass(frozen=True)
class DatasetView:
    """`figures`: (number, what); `strip`: (name, data URI); `tags`: (tag, pictures)."""

    figures: Sequence[tuple[str, str]]
    strip: Sequence[tuple[str, str]]
    num_pictures: int
    tags: Sequence[tuple[str, str]]


def dataset_view(cropped: Path, kept: Path, metrics: Mapping[str, Any]) -> DatasetView:
    records = [record for record in read_jsonl(cropped / "records.jsonl") if not record["is_class"]]
    step = max(1, -(-len(records) // MOST_PICTURES))
    shown = records[::step]
    uris = data_uris({each["sha256"]: cropped / PICTURE_FOLDER / each["file"] for each in shown}, STRIP_PX)
    with kept.open(encoding="utf-8", newline="") as file:
        tags = [(row["tag"], row["pictures"]) for row in csv.DictReader(file)][:MOST_REPORT_TAGS]
    return DatasetView(
        _figures(metrics), [(each["id"], uris[each["sha256"]]) for each in shown], len(records), tags
    )


def _figures(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures that are not 0."""
    collect, crop, captions = (metrics[name] for name in ("collect", "crop", "filter_tags"))
    verdicts = {name: number for name, number in collect["verdicts"].items() if name != "ok"}
    figures = [
        (collect["pictures"], "pictures collected"),
        (crop["crops"], "crops"),
        (crop["enlarged"], "enlarged"),
        *((number, name) for name, number in verdicts.items()),
        (collect["class_pictures"] + metrics["class_images"]["pictures"], "class pictures"),
        (captions["different_tags"], "different tags"),
        (captions["tags_mean"], "tags a caption"),
        (captions["tokens_max"], "tokens in the longest"),
        (captions["empty"], "empty captions"),
    ]
    return [
        (f"{number:.3g}" if isinstance(number, float) else str(number), what)
        for number, what in figures
        if number
    ]
