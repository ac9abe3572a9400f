"""data/tags/ -> data/captions/: what training reads of each picture, and why each dropped tag was dropped.

In: data/tags/tags.jsonl. Out: data/captions/{captions.jsonl,<concept>/<stem>.txt}, metrics/filter_tags.json.
Reads the group `filter_tags`. Deterministic: a pure function of the scores. `--export DIR` also writes
pictures and .txt files as kohya's tools and AUTOMATIC1111 read them.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.captions.rules import Caption, write_caption
from pipeline.command import run, start
from pipeline.config.schemas import FilterTags
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder, read_jsonl, write_json, write_jsonl
from pipeline.pictures.records import PICTURES, read_records


def captions(rows: list[dict[str, Any]], config: FilterTags) -> dict[str, Caption]:
    """Caption by picture id."""
    return {row["id"]: write_caption(row["scores"], row["caption"], config) for row in rows}


def summary(made: dict[str, Caption]) -> dict[str, Any]:
    """Counts for metrics/filter_tags.json."""
    kept = Counter(tag for caption in made.values() for tag in caption.kept)
    dropped = Counter(tag for caption in made.values() for tag, _ in caption.dropped)
    return {
        "captions": len(made),
        "empty": sum(not caption.text for caption in made.values()),
        "tags_mean": round(sum(kept.values()) / len(made), 3),
        "kept": dict(kept),
        "dropped": dict(dropped),
    }


def write_captions(folder: Path, made: dict[str, Caption], trigger: str | None) -> None:
    """captions.jsonl, and one .txt a picture."""
    rows = [
        {
            "id": picture_id,
            "caption": caption.text,
            "trigger": trigger,
            "kept": list(caption.kept),
            "dropped": [list(pair) for pair in caption.dropped],
        }
        for picture_id, caption in sorted(made.items())
    ]
    write_jsonl(folder / "captions.jsonl", rows)
    for picture_id, caption in made.items():
        target = folder / f"{picture_id}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(caption.text, encoding="utf-8")


def export(target: Path, made: dict[str, Caption]) -> None:
    """`<repeats>_<concept>` folders with each cropped picture and its .txt side by side."""
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target} is not empty; name a new folder, nothing is overwritten")
    source = Path("data/cropped")
    with new_folder(target) as folder:
        for record in read_records(source):
            beside = folder / f"{record.repeats}_{record.id}.png"
            beside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / PICTURES / record.file, beside)
            beside.with_suffix(".txt").write_text(made[record.id].text, encoding="utf-8")


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.filter_tags")
    parser.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write pictures and .txt captions into DIR, and nothing else",
    )
    job = start("filter-tags", arguments, parser)
    made = captions(read_jsonl(Path("data/tags/tags.jsonl")), job.config.filter_tags)
    if job.options.export:
        export(job.options.export, made)
        return
    with new_folder(job.out / "data/captions") as folder:
        write_captions(folder, made, job.config.filter_tags.trigger)
    write_json(job.out / "metrics/filter_tags.json", summary(made))


if __name__ == "__main__":
    run(main)
