"""Answers of a model about pictures, kept by picture, model and settings, so that each is computed once."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.captions.interrogation import About, Interrogator, interrogate
from pipeline.captions.labels import Label
from pipeline.captions.preprocessing import PREPROCESSINGS
from pipeline.errors import UserError
from pipeline.pictures.reading import PictureError
from pipeline.pictures.records import PICTURE_FOLDER, Record
from pipeline.progress import progress
from pipeline.store.items import Items, computed_key, key
from pipeline.vision.models import VisionModel


@dataclass(frozen=True)
class Question:
    """What is asked of a model."""

    model: VisionModel
    opened: Callable[[About | None], Interrogator]
    """Opens the model; its argument is what is already known of it."""
    read: Callable[[Path, int], Image.Image]
    """Reads a picture for a network of this side in px."""
    settings: dict[str, Any]
    """What answers depend on, apart from the model and the picture."""
    kept: Callable[[About, Any], Any]
    """The JSON value that is kept of an answer."""
    batch: int
    """Pictures per call; does not affect the answers."""


def answers(
    question: Question, records: Iterable[Record], source: Path, items: Items, version: int
) -> tuple[About, Callable[[Record], Any]]:
    """Facts about the model, and a function that gives its answer to each picture. Opens the model only if an
    answer is missing. Reads the records several times.
    """
    about, opened = _about(question, items, version)
    what = {"version": version, "model": question.model.sha256, "preprocessing": about.preprocessing}

    def key_of(record: Record) -> str:
        return computed_key(picture=record.sha256, **what, **question.settings)

    def read(record: Record) -> Image.Image:
        path = source / PICTURE_FOLDER / record.file
        try:
            return question.read(path, about.side_px)
        except PictureError as error:
            raise UserError(
                f"{record.id}: {path}: {error}; run `dvc repro -f crop` to make it again"
            ) from None

    def put(record: Record, answer: Any) -> None:
        text = json.dumps(question.kept(about, answer), sort_keys=True, ensure_ascii=False)
        items.put(key_of(record), text.encode())

    is_missing = bytearray(not items.has(key_of(record)) for record in records)
    if any(is_missing):
        missing = compress(records, is_missing)
        asked = interrogate(opened or question.opened(about), missing, read, put, question.batch)
        for _ in progress(asked, f"tag: {question.model.name}", sum(is_missing)):
            pass
    return about, lambda record: json.loads(items.read(key_of(record)))


def _about(question: Question, items: Items, version: int) -> tuple[About, Interrogator | None]:
    """From the store, or from the model, which is then open. A new recipe id invalidates what is stored."""
    recipes = [recipe.id for recipe in PREPROCESSINGS]
    about_key = key(version=version, about=question.model.sha256, recipes=recipes)
    if stored := items.get(about_key):
        values = json.loads(stored)
        return About(**{**values, "labels": tuple(Label(**label) for label in values["labels"])}), None
    opened = question.opened(None)
    items.put(about_key, json.dumps(asdict(opened.about), ensure_ascii=False).encode())
    return opened.about, opened
