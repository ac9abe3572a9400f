"""Names of a tagger's outputs: reads the common label files into one list in the network's order, and names
scores by it.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import read_json, read_mapping
from pipeline.files.text_file import LABEL_FILE, read_text
from pipeline.number_text import whole_number

CATEGORIES = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta", 9: "rating", 10: "meta"}
"""Danbooru's numbers, 9 for ratings, as in SmilingWolf's selected_tags.csv, and 10 for years, as in deepghs'
export of Camie's tagger.
"""
MOST_LABELS = 1_000_000
SCORE_DECIMALS = 3
"""onnxruntime's last bits follow from the processor: of five decimals, one in 300 scores was another."""
CATEGORY_NAMES = frozenset({*CATEGORIES.values(), "quality", "model"})

TagScores = dict[str, dict[str, float]]
"""{category: {name: score}}."""


@dataclass(frozen=True)
class Label:
    """A tag as the tagger spells it, with underscores, and its category (one of NAMES)."""

    name: str
    category: str


def read_selected_tags(path: Path) -> list[Label]:
    """selected_tags.csv (SmilingWolf): columns tag_id,name,category,count; rows of any order."""
    text = read_text(path, LABEL_FILE)
    with reporting_damage(f"{path} is not a table of labels"):
        rows = list(csv.DictReader(StringIO(text, newline="")))
    if not rows or not {"name", "category"} <= rows[0].keys():
        columns = ",".join(map(str, rows[0])) if rows else "no rows"
        raise UserError(f"{path} needs the columns tag_id,name,category,count; found {columns}")
    if any(row["name"] is None or row["category"] is None for row in rows):
        raise UserError(f"{path} has an incomplete row; fetch the file again")
    unknown = sorted({row["category"] for row in rows} - {str(number) for number in CATEGORIES})
    if unknown:
        raise UserError(f"{path}: unknown category {', '.join(unknown)}; known: {CATEGORIES}")
    return [Label(row["name"], CATEGORIES[int(row["category"])]) for row in rows]


def read_tag_mapping(path: Path) -> list[Label]:
    """tag_mapping.json (cl_tagger): {id: {tag, category}}, or {idx_to_tag: {id: tag}, tag_to_category}."""
    content = read_mapping(path, LABEL_FILE)
    form = '{"0": {"tag": "...", "category": "General"}, ...}'
    try:
        mapping = _mapping(content)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path}: must be {form}, as in cl_tagger") from None
    return labels_by_number(path, mapping, lambda label: label, f"{form}, as in cl_tagger")


def labels_by_number(
    path: Path, entries: Mapping[str, Any], label_of: Callable[[Any], Label], form: str
) -> list[Label]:
    """The labels of a mapping by number, in their order. A gap or an unknown category is a user error."""
    try:
        labels = {whole_number(number, 0, MOST_LABELS): label_of(entry) for number, entry in entries.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path}: must be {form}") from None
    if sorted(labels) != list(range(len(labels))):
        raise UserError(f"{path}: ids must run from 0 to {len(labels) - 1} without gaps")
    if unknown := sorted({label.category for label in labels.values()} - CATEGORY_NAMES):
        raise UserError(
            f"{path}: unknown category {', '.join(unknown)}; known: {', '.join(sorted(CATEGORY_NAMES))}"
        )
    return [labels[number] for number in range(len(labels))]


def _mapping(content: Mapping[str, Any]) -> dict[str, Label]:
    if "idx_to_tag" in content:
        categories = content["tag_to_category"]
        return {number: Label(tag, categories[tag].lower()) for number, tag in content["idx_to_tag"].items()}
    return {number: Label(entry["tag"], entry["category"].lower()) for number, entry in content.items()}


def read_tags_txt(path: Path) -> list[Label]:
    """tags.txt (DeepDanbooru): a tag a line. categories.json in the same folder (names with the index of
    their first tag) or tags-character.txt gives the categories; without either, all tags are general.
    """
    tags = [line for line in read_text(path, LABEL_FILE).splitlines() if line]
    if not tags:
        raise UserError(f"{path} contains no tags")
    return deepdanbooru_labels(tags, path.parent)


def read_top_tags(path: Path) -> list[Label]:
    """top_tags.txt (JoyTag): a tag a line, of no category; empty lines do not count."""
    tags = [line.strip() for line in read_text(path, LABEL_FILE).splitlines() if line.strip()]
    if not tags:
        raise UserError(f"{path} contains no tags")
    return [Label(tag, "general") for tag in tags]


def deepdanbooru_labels(tags: Sequence[str], folder: Path) -> list[Label]:
    """Labels of DeepDanbooru's tags; `folder` may hold categories.json or tags-character.txt."""
    starts, characters = folder / "categories.json", folder / "tags-character.txt"
    categories = ["general"] * len(tags)
    if starts.is_file():
        with reporting_damage(f"{starts} is not a list of categories"):
            for entry in read_json(starts, LABEL_FILE):
                start, name = int(entry["start_index"]), str(entry["name"]).lower()
                if not 0 <= start <= len(tags):
                    raise ValueError(f"start_index {start} is beyond the {len(tags)} tags")
                categories[start:] = [name if name in CATEGORY_NAMES else "meta"] * (len(tags) - start)
    elif characters.is_file():
        known = set(read_text(characters, LABEL_FILE).splitlines())
        categories = ["character" if tag in known else "general" for tag in tags]
    return [
        Label(tag, "rating" if tag.startswith("rating:") else category)
        for tag, category in zip(tags, categories, strict=True)
    ]


def named_scores(labels: Sequence[Label], scores: NDArray[np.float32], min_score: float) -> TagScores:
    """The scores from `min_score` up, to three decimals: the next ones differ between processors."""
    named: TagScores = {}
    for label, score in zip(labels, scores.tolist(), strict=True):
        if (rounded := round(score, SCORE_DECIMALS)) >= min_score:
            named.setdefault(label.category, {})[label.name] = rounded
    return named
