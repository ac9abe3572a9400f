"""data/cropped/ -> data/tags/tags.jsonl: raw scores of every tag, once; thresholds come later, in
filter-tags.

In: data/cropped/, the tagger. Out: data/tags/tags.jsonl, metrics/tag.json. Reads the group `tag`.
Deterministic: scores to five decimals. Kept by picture and tagger: one new picture costs one call.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.command import run, start
from pipeline.config.schemas import Tag
from pipeline.files.atomic import new_folder, write_json, write_jsonl
from pipeline.items import Items, key
from pipeline.pictures.reading import read_picture
from pipeline.pictures.records import PICTURES, Record, read_records
from pipeline.progress import progress

VERSION = 1
"""Of the algorithm: raise it when scores would come out differently."""


def item_key(record: Record, config: Tag) -> str:
    from pipeline.captions.wd14 import PREPROCESSING

    parts = {"model": config.sha256, "min_score": config.min_score, "preprocessing": PREPROCESSING}
    return key(version=VERSION, picture=record.sha256, **parts)


def fresh_scores(records: list[Record], source: Path, config: Tag) -> list[dict[str, dict[str, float]]]:
    """Runs the tagger over the pictures."""
    from pipeline.captions.wd14 import Wd14Tagger, named_scores

    tagger = Wd14Tagger(Path(config.model))
    pictures = (read_picture(source / PICTURES / record.file) for record in records)
    scores = progress(tagger.scores(pictures, config.batch), "tag", len(records))
    return [named_scores(tagger.labels, row, config.min_score) for row in scores]


def tagged(records: list[Record], source: Path, config: Tag, items: Items) -> list[dict[str, Any]]:
    """A row a picture: id, the caption that it came with, scores by category."""
    keys = {record.id: item_key(record, config) for record in records}
    missing = [record for record in records if not items.has(keys[record.id])]
    if missing:
        for record, scores in zip(missing, fresh_scores(missing, source, config), strict=True):
            items.put(keys[record.id], json.dumps(scores, sort_keys=True).encode())
    return [
        {
            "id": record.id,
            "concept": record.concept,
            "is_class": record.is_class,
            "caption": record.caption,
            "scores": json.loads(items.path(keys[record.id]).read_bytes()),
        }
        for record in records
    ]


def main(arguments: Sequence[str] = ()) -> None:
    job = start("tag", arguments)
    source = Path("data/cropped")
    rows = tagged(read_records(source), source, job.config.tag, Items("tag"))
    with new_folder(job.out / "data/tags") as folder:
        write_jsonl(folder / "tags.jsonl", rows)
    counts = [sum(score >= 0.5 for score in row["scores"].get("general", {}).values()) for row in rows]
    write_json(
        job.out / "metrics/tag.json",
        {"pictures": len(rows), "tags_over_half_mean": round(sum(counts) / len(counts), 3)},
    )


if __name__ == "__main__":
    run(main)
