"""data/tags/ -> data/captions/: each picture's caption for training, and why each dropped tag was dropped.

In: data/tags/, data/tag_edits.yaml; for the page data/collected/ and data/cropped/. Out:
data/captions/{captions.jsonl,<concept>/<stem>.txt}, reports/dataset/index.html, metrics/filter_tags.json,
plots/filter-tags/. Reads the group `filter_tags`. Deterministic: a pure function of the scores, the settings
and the edits. By hand, without these outputs: `--preview [PATTERN]` shows what becomes of the tags,
`--export DIR` writes pictures with .txt files as kohya's tools and AUTOMATIC1111 read them, `--import DIR`
reads such .txt files back into data/tag_edits.yaml.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edit_file import EDITS, read_edits
from pipeline.captions.edit_text import write_edits
from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.folders import export_folder, imported_edits, read_folder, write_caption
from pipeline.captions.idle import Effects, odd_kinds, unused_edits, unused_patterns
from pipeline.captions.preview import matching, preview
from pipeline.captions.statistics import Statistics
from pipeline.captions.thresholds import with_thresholds
from pipeline.command import run, start
from pipeline.errors import warn
from pipeline.files.atomic import JsonLines, new_folder, read_jsonl, write_csv, write_json, write_jsonl
from pipeline.outside_graph import insist_on
from pipeline.pictures.left_out import LEFT_OUT_ROWS, ids_left_out
from pipeline.pictures.records import Records, read_records
from pipeline.reports.dataset import cards_of, page
from stages import CROPPED

TAGS_FILE = Path("data/tags/tags.jsonl")


def row(picture_id: str, caption: Caption) -> dict[str, Any]:
    """A line of captions.jsonl."""
    return {
        "id": picture_id,
        "caption": caption.text,
        "trigger": caption.trigger,
        "kept": list(caption.kept),
        "dropped": [vars(drop) for drop in caption.dropped],
        "added": [vars(added) for added in caption.added],
    } | ({"kinds": dict(caption.kinds)} if caption.kinds else {})


def write_outputs(out: Path, captions: Iterable[tuple[str, Caption]], statistics: Statistics) -> None:
    """Writes captions.jsonl and a .txt per picture; metrics and plots."""
    with new_folder(out / "data/captions") as folder:
        write_jsonl(folder / "captions.jsonl", written(folder, captions, statistics))
    write_json(out / "metrics/filter_tags.json", statistics.summary())
    plots = out / "plots/filter-tags"
    write_csv(plots / "kept.csv", ["tag", "pictures"], statistics.kept_counts())
    write_csv(plots / "dropped.csv", ["tag", "pictures"], statistics.dropped_counts())
    write_csv(plots / "trigger.csv", ["trigger", "tag", "pictures", "share"], statistics.with_trigger())


def written(
    folder: Path, captions: Iterable[tuple[str, Caption]], statistics: Statistics
) -> Iterator[dict[str, Any]]:
    """Writes each .txt; yields the lines of captions.jsonl."""
    for picture_id, caption in captions:
        target = folder / f"{picture_id}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_caption(target, caption.text)
        statistics.add(caption)
        yield row(picture_id, caption)


def write_page(out: Path) -> None:
    """Writes reports/dataset/index.html."""
    records, captions = Records(CROPPED), JsonLines(out / "data/captions/captions.jsonl")
    left_out = read_jsonl(LEFT_OUT_ROWS) if LEFT_OUT_ROWS.exists() else []
    with new_folder(out / "reports/dataset") as folder:
        html = page(cards_of(records, captions, CROPPED), records, captions, left_out)
        (folder / "index.html").write_text(html, encoding="utf-8")


def watched(captions: Iterable[tuple[str, Caption]], effects: Effects) -> Iterator[tuple[str, Caption]]:
    for picture_id, caption in captions:
        effects.add(picture_id, caption)
        yield picture_id, caption


def report(effects: Effects, writer: CaptionWriter) -> None:
    """Reports changes of existing captions, and settings and edits without effect."""
    for sentence in effects.own.notes(writer.config.max_tokens):
        print(sentence, file=sys.stderr)
    for sentence in unused_edits(effects, writer.ids(), ids_left_out()):
        warn(f"{EDITS}: {sentence}")
    for sentence in odd_kinds(effects.edits, writer.kinds):
        warn(f"{EDITS}: {sentence}")
    for sentence in unused_patterns(writer.config, effects):
        warn(sentence)


def import_captions(folder: Path, writer: CaptionWriter, edits: Sequence[Edit]) -> None:
    """Writes the .txt files' differences into data/tag_edits.yaml."""
    ids = list(writer.ids())
    texts = read_folder(folder, ids)
    new = imported_edits(texts, writer, edits)
    if new:
        write_edits(new)
    without = len(ids) - len(texts)
    print(
        f"{len(texts)} captions read, {len(new)} of them differ and are now in {EDITS};"
        f" {without} pictures have no .txt there"
    )


def show(pattern: str, captions: dict[str, Caption]) -> None:
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(preview(matching(pattern, captions), colour))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m stages.filter_tags")
    instead = made.add_mutually_exclusive_group()
    instead.add_argument(
        "--preview", nargs="?", const="*", metavar="PATTERN",
        help="show what is kept, dropped and added (for matching picture ids), and write nothing",
    )  # fmt: skip
    instead.add_argument(
        "--export", type=Path, metavar="DIR",
        help="only write pictures and .txt captions into DIR",
    )  # fmt: skip
    instead.add_argument(
        "--import", type=Path, metavar="DIR", dest="edited",
        help=f"read .txt captions edited elsewhere, and write the differences into {EDITS};"
        " use the settings of the export",
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
    insist_on(TAGS_FILE, *([CROPPED] if job.options.export else []))
    config = with_thresholds(job.config.filter_tags, TAGS_FILE.parent)
    edits, writer = read_edits(), CaptionWriter(JsonLines(TAGS_FILE), config)
    if job.options.edited:
        import_captions(job.options.edited, writer, edits)
        return
    effects = Effects(edits)
    captions = watched(writer.captions(edits), effects)
    if job.options.preview:
        show(job.options.preview, dict(captions))
    elif job.options.export:
        texts = {key: caption.text for key, caption in captions}
        export_folder(job.options.export, read_records(CROPPED), CROPPED, texts)
    else:
        write_outputs(job.out, captions, Statistics(writer.triggers.values()))
        write_page(job.out)
    report(effects, writer)


if __name__ == "__main__":
    run(main)
