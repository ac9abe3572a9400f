"""data/tags/ -> data/captions/: what training reads of each picture, and why each dropped tag was dropped.

In: data/tags/tags.jsonl, data/tag_edits.yaml; for the page data/collected/ and data/cropped/. Out:
data/captions/{captions.jsonl,<concept>/<stem>.txt}, reports/dataset/index.html, metrics/filter_tags.json,
plots/filter-tags/. Reads the group `filter_tags`. Deterministic: a pure function of the scores, the settings
and the edits. By hand, and writing none of these: `--preview [PATTERN]` shows what becomes of the tags,
`--export DIR` writes pictures with .txt files as kohya's tools and AUTOMATIC1111 read them, `--import DIR`
reads such .txt files back into data/tag_edits.yaml.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline.captions.caption import Caption, Writer
from pipeline.captions.edit_file import EDITS, read_edits, write_edits
from pipeline.captions.edits import Edit
from pipeline.captions.folders import export_folder, imported_edits, read_folder, write_caption
from pipeline.captions.idle import idle_edits, idle_patterns
from pipeline.captions.preview import matching, preview
from pipeline.captions.statistics import dropped_counts, kept_counts, summary, with_trigger
from pipeline.command import run, start
from pipeline.config.schemas import FilterTags
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, read_jsonl, write_csv, write_json, write_jsonl
from pipeline.pictures.records import read_records
from pipeline.reports.dataset import cards_of, page

TAGS = Path("data/tags/tags.jsonl")
CROPPED, LEFT_OUT = Path("data/cropped"), Path("data/collected/left_out.jsonl")


def row(picture_id: str, caption: Caption) -> dict[str, Any]:
    """A line of captions.jsonl."""
    return {
        "id": picture_id,
        "caption": caption.text,
        "trigger": caption.trigger,
        "kept": list(caption.kept),
        "dropped": [vars(drop) for drop in caption.dropped],
        "added": [vars(added) for added in caption.added],
    }


def write_outputs(out: Path, captions: Mapping[str, Caption]) -> None:
    """captions.jsonl and one .txt a picture; metrics and plots."""
    with new_folder(out / "data/captions") as folder:
        write_jsonl(folder / "captions.jsonl", [row(*item) for item in sorted(captions.items())])
        for picture_id, caption in captions.items():
            target = folder / f"{picture_id}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_caption(target, caption.text)
    write_json(out / "metrics/filter_tags.json", summary(captions))
    plots = out / "plots/filter-tags"
    write_csv(plots / "kept.csv", ["tag", "pictures"], kept_counts(captions))
    write_csv(plots / "dropped.csv", ["tag", "pictures"], dropped_counts(captions))
    write_csv(plots / "trigger.csv", ["trigger", "tag", "pictures", "share"], with_trigger(captions))


def write_page(out: Path, captions: Mapping[str, Caption]) -> None:
    """reports/dataset/index.html."""
    records = read_records(CROPPED)
    rows = {picture_id: row(picture_id, caption) for picture_id, caption in captions.items()}
    left_out = read_jsonl(LEFT_OUT) if LEFT_OUT.exists() else []
    with new_folder(out / "reports/dataset") as folder:
        html = page(cards_of(records, rows, CROPPED), records, list(rows.values()), left_out)
        (folder / "index.html").write_text(html, encoding="utf-8")


def warn_of_idle(edits: Sequence[Edit], config: FilterTags, captions: Mapping[str, Caption]) -> None:
    for sentence in idle_edits(edits, captions):
        warn(f"{EDITS}: {sentence}")
    for sentence in idle_patterns(config, captions):
        warn(sentence)


def import_captions(folder: Path, writer: Writer, edits: Sequence[Edit]) -> None:
    """The .txt files' differences as entries of data/tag_edits.yaml."""
    texts = read_folder(folder, list(writer.rows))
    new = imported_edits(texts, writer, edits)
    if new:
        write_edits(new)
    without = len(writer.rows) - len(texts)
    print(
        f"{len(texts)} captions read, {len(new)} of them differ and stand in {EDITS} now;"
        f" {without} pictures have none there"
    )


def show(pattern: str, captions: dict[str, Caption]) -> None:
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(preview(matching(pattern, captions), colour))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m stages.filter_tags")
    instead = made.add_mutually_exclusive_group()
    instead.add_argument(
        "--preview", nargs="?", const="*", metavar="PATTERN",
        help="show what is kept, dropped and added (of the pictures with such ids), and write nothing",
    )  # fmt: skip
    instead.add_argument(
        "--export", type=Path, metavar="DIR",
        help="write pictures and .txt captions into DIR, and nothing else",
    )  # fmt: skip
    instead.add_argument(
        "--import", type=Path, metavar="DIR", dest="edited",
        help=f"read .txt captions that were edited elsewhere, and write what differs into {EDITS};"
        " with the settings that they were exported with",
    )  # fmt: skip
    return made


def with_pattern(arguments: Sequence[str]) -> list[str]:
    """`--preview KEY=VALUE`: the value is an override, not the pattern."""
    return [
        "--preview=*" if name == "--preview" and "=" in after else name
        for name, after in zip_longest(arguments, arguments[1:], fillvalue="")
    ]


def main(arguments: Sequence[str] = ()) -> None:
    job = start("filter-tags", with_pattern(arguments), parser(), by_hand=("preview", "export", "edited"))
    if not TAGS.exists():
        raise UserError(f"{TAGS} is missing; `dvc repro tag` writes it")
    edits, writer = read_edits(), Writer(read_jsonl(TAGS), job.config.filter_tags)
    captions = writer.captions(edits)
    if job.options.edited:
        import_captions(job.options.edited, writer, edits)
        return
    warn_of_idle(edits, job.config.filter_tags, captions)
    if job.options.preview:
        show(job.options.preview, captions)
    elif job.options.export:
        texts = {key: caption.text for key, caption in captions.items()}
        export_folder(job.options.export, read_records(CROPPED), CROPPED, texts)
    else:
        write_outputs(job.out, captions)
        write_page(job.out, captions)


if __name__ == "__main__":
    run(main)
