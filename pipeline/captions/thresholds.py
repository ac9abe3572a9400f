"""Least scores by category that a tagger's own files state, for `filter_tags.*threshold: model`.

A tagger's folder may have thresholds.csv (deepghs, animetimm: category, name, threshold); the stage tag
writes the taggers' mean into data/tags/thresholds.json.
"""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from pipeline.captions.labels import CATEGORIES, CATEGORY_NAMES
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import read_mapping
from pipeline.files.text_file import LABEL_FILE, read_text
from pipeline.number_text import real_number, whole_number
from pipeline.schemas import FilterTagsConfig

THRESHOLDS_OF_TAGGER = "thresholds.csv"
THRESHOLDS_OF_RUN = "thresholds.json"
OF_MODEL = "model"


def stated_thresholds(folder: Path) -> dict[str, float]:
    """By category; empty without the file. The first line of a category counts."""
    path = folder / THRESHOLDS_OF_TAGGER
    if not path.is_file():
        return {}
    stated: dict[str, float] = {}
    text = read_text(path, LABEL_FILE)
    with reporting_damage(f"{path} is not a table of thresholds"):
        for row in csv.DictReader(StringIO(text, newline="")):
            category = CATEGORIES.get(whole_number(row["category"], 0, 99), row.get("name", ""))
            if category in CATEGORY_NAMES:
                stated.setdefault(category, real_number(row["threshold"], 0, 1))
    return stated


def mean_thresholds(taggers: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Each category's mean over the taggers that state one, to five decimals."""
    by_category: dict[str, list[float]] = {}
    for stated in taggers:
        for category, least in stated.items():
            by_category.setdefault(category, []).append(least)
    return {name: round(sum(some) / len(some), 5) for name, some in sorted(by_category.items())}


def with_thresholds(config: FilterTagsConfig, tags: Path) -> FilterTagsConfig:
    """The settings with a number for each `model`, from the folder of the stage tag. A category without one
    takes the general one; without that, it is a user error.
    """
    asked = [key for key, value in config if key.endswith("threshold") and value == OF_MODEL]
    if not asked:
        return config
    path = tags / THRESHOLDS_OF_RUN
    stated: dict[str, Any] = read_mapping(path, LABEL_FILE) if path.is_file() else {}
    numbers = {key: stated.get(_category(key), stated.get("general")) for key in asked}
    if lacking := [key for key, number in numbers.items() if number is None]:
        raise UserError(
            f"filter_tags.{', '.join(lacking)}: {OF_MODEL}, but the files of tag.model state no thresholds"
            " (WD14, cl_tagger and DeepDanbooru have none); set a number from 0 to 1"
        )
    return config.model_copy(update=numbers)


def _category(key: str) -> str:
    return "general" if key == "threshold" else key.removesuffix("_threshold")
