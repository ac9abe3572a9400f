"""Captions that lie beside a picture: .txt as trainers read them, .json as booru downloaders write it.

Read as text or as JSON, never in any other way: waifuc's metadata may hold pickles, which are left alone.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.files.json_text import JsonError, parse_json

SUFFIXES = (".txt", ".caption", ".json")
TEXT_KEYS = ("caption", "text", "prompt", "description")
TAG_KEYS = ("tag_string", "tags")


class CaptionError(Exception):
    """Why a caption file cannot be used, in a few words."""


def names_for(picture: str) -> Iterator[str]:
    """Where the caption of a picture of this file name may stand, the first that is there counts: the
    trainers' .txt and .caption, gallery-dl's `a.jpg.txt` and `a.jpg.json`, plain `a.json`, waifuc's
    `.a_meta.json`.
    """
    stem = picture.rpartition(".")[0]
    yield from (f"{stem}.txt", f"{picture}.txt", f"{stem}.caption")
    yield from (f"{picture}.json", f"{stem}.json", f".{stem}_meta.json")


def read_caption(path: Path) -> str | None:
    """The caption in one line; None for a .json that holds neither text nor tags. Raises CaptionError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaptionError(f"not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if path.suffix.lower() != ".json":
        return one_line(text)
    try:
        return caption_of(parse_json(text))
    except JsonError as error:
        raise CaptionError(f"not readable JSON ({error}); mend or delete it") from None


def one_line(text: str) -> str:
    return " ".join(text.split())


def caption_of(content: Any) -> str | None:
    """The text, else the tags joined by commas, of a downloader's JSON: danbooru `tag_string`, gelbooru
    `tags` in one string, gallery-dl a list, e621 lists by category, waifuc scores by tag. Tags stay raw.
    """
    if not isinstance(content, dict):
        return None
    for key in TEXT_KEYS:
        if isinstance(content.get(key), str):
            return one_line(content[key])
    for key in TAG_KEYS:
        if key in content:
            return ", ".join(_tags(content[key]))
    return None


def _tags(value: Any) -> list[str]:
    if isinstance(value, str):
        parts = value.split(",") if "," in value else value.split()
        return [one_line(part) for part in parts if part.strip()]
    if isinstance(value, dict):
        lists = [entry for entry in value.values() if isinstance(entry, list)]
        return [tag for entry in lists for tag in _tags(entry)] if lists else [str(key) for key in value]
    return [one_line(tag) for tag in value if isinstance(tag, str)] if isinstance(value, list) else []
