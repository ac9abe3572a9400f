"""Prompt templates for training embeddings and hypernetworks: lines with `[name]` for the embedding's name
and `[filewords]` for the picture's caption (AUTOMATIC1111 modules/textual_inversion/dataset.py).
"""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from pipeline.errors import UserError, nearest
from pipeline.files.text_file import TEMPLATES, read_text

PLACEHOLDER = re.compile(r"\[(\w+)\]")
_NAME, FILEWORDS = "name", "filewords"


def fill(template: str, name: str, filewords: str) -> str:
    """The filled template. Inserted text is not filled again; without a caption, the commas and words before
    it go too (`a photo of [name], [filewords]` -> `a photo of zib`).
    """
    if not filewords.strip():
        template = re.sub(r",?\s*+(\bof )?\[filewords\],?\s*+", " ", template).strip()
    values = {_NAME: name, FILEWORDS: filewords}
    return PLACEHOLDER.sub(lambda place: values.get(place[1], place[0]), template)


def names() -> list[str]:
    """Sets that ship with the package."""
    return sorted(
        path.name.removesuffix(".txt") for path in (files("pipeline.captions") / "template_sets").iterdir()
    )


def read_templates(name: str) -> list[str]:
    """A shipped set by name, or a text file by path, with one template per line.

    Raises UserError for an unknown name, a set without lines or without `[name]`, or an unknown placeholder.
    """
    lines = [line.strip() for line in _text(name).splitlines() if line.strip()]
    if problems := list(_faults(name, lines)):
        raise UserError(*problems)
    return lines


def _text(name: str) -> str:
    if name in names():
        return (files("pipeline.captions") / "template_sets" / f"{name}.txt").read_text(encoding="utf-8")
    if not Path(name).is_file():
        raise UserError(f"templates {name}: neither a text file nor a shipped set; {nearest(name, names())}")
    return read_text(Path(name), TEMPLATES)


def _faults(name: str, lines: list[str]) -> Iterator[str]:
    if not any(f"[{_NAME}]" in line for line in lines):
        yield f"templates {name}: no line has [{_NAME}], so the embedding would not be trained; add it"
    for place in dict.fromkeys(place for line in lines for place in PLACEHOLDER.findall(line)):
        if place not in (_NAME, FILEWORDS):
            yield f"templates {name}: [{place}] is not a placeholder; {nearest(place, (_NAME, FILEWORDS))}"
