"""Captions in files next to a picture: .txt as trainers read them, .json as booru downloaders write it.

Reads only text and JSON: waifuc's metadata may contain pickles, which are not opened.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.files.json_text import JsonError, parse_json
from pipeline.files.text_file import CAPTION, CAPTION_JSON, TextError, bounded_text
from pipeline.texts.lines import as_written
from pipeline.texts.separators import COMMAS, Separators

SIDECAR_SUFFIXES = (".txt", ".caption", ".json")
TEXT_KEYS = ("caption", "text", "prompt", "description")
TAG_KEYS = ("tag_string", "tags")


class CaptionError(Exception):
    """Why a caption file cannot be used, in a few words."""


def names_for(picture: str) -> Iterator[str]:
    """Possible caption files of a picture of this name; the first that exists counts: the trainers' .txt and
    .caption, gallery-dl's `a.jpg.txt` and `a.jpg.json`, plain `a.json`, waifuc's `.a_meta.json`.
    """
    stem = picture.rpartition(".")[0]
    yield from (f"{stem}.txt", f"{picture}.txt", f"{stem}.caption")
    yield from (f"{picture}.json", f"{stem}.json", f".{stem}_meta.json")


def read_caption(path: Path, separators: Separators = COMMAS) -> str | None:
    """The caption with its lines; None for a .json without text and tags. Raises CaptionError."""
    is_json = path.suffix.lower() == ".json"
    try:
        text = bounded_text(path, CAPTION_JSON if is_json else CAPTION)
    except TextError as error:
        raise CaptionError(str(error)) from None
    if not is_json:
        return as_written(text)
    try:
        return caption_of(parse_json(text), separators)
    except JsonError as error:
        raise CaptionError(f"not readable JSON ({error}); correct or delete it") from None


def one_line(text: str) -> str:
    return " ".join(text.split())


def lines_of(value: Any) -> str | None:
    """A text, or a list of texts as lines; None for anything else."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = "\n".join(map(one_line, value))
    return as_written(value) if isinstance(value, str) else None


def caption_of(content: Any, separators: Separators = COMMAS) -> str | None:
    """The text, else the tags joined by commas, of a downloader's JSON: danbooru `tag_string`, gelbooru
    `tags` in one string, gallery-dl a list, e621 lists by category, waifuc scores by tag. Tags stay raw.
    """
    if not isinstance(content, dict):
        return None
    for key in TEXT_KEYS:
        if (text := lines_of(content.get(key))) is not None:
            return text
    for key in TAG_KEYS:
        if key in content:
            return separators.joiner.join(_tags(content[key], separators))
    return None


def _tags(value: Any, separators: Separators) -> list[str]:
    if isinstance(value, str):
        parts = separators.names(value) if separators.is_in(value) else value.split()
        return [one_line(part) for part in parts if part.strip()]
    if isinstance(value, dict):
        lists = [entry for entry in value.values() if isinstance(entry, list)]
        return (
            [tag for entry in lists for tag in _tags(entry, separators)]
            if lists
            else [str(key) for key in value]
        )
    return [one_line(tag) for tag in value if isinstance(tag, str)] if isinstance(value, list) else []
