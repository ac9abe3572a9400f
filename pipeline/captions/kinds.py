"""Kinds of caption side by side: the usual one, made of tags, and texts that a captioner wrote."""

import re
from collections.abc import Mapping
from itertools import accumulate

from pipeline.captions.budget import within
from pipeline.captions.seen import TagsRow
from pipeline.captions.text import escaped
from pipeline.schemas import FilterTagsConfig

PIECE = re.compile(r".*?[.!?,;](?=\s|$)\s*|.+?$")
"""Up to a mark that ends a sentence or a part of one."""


def finished_kinds(
    row: TagsRow, trigger: str | None, edited: Mapping[str, str], config: FilterTagsConfig
) -> dict[str, str]:
    """The picture's captions of other kinds, ready for training. edited: texts by a person, which replace the
    captioner's and stay as they are.
    """
    written: Mapping[str, str] = row.get("captions", {})
    made = {kind: finished_text(text, trigger, config) for kind, text in written.items() if text}
    return dict(sorted({**made, **edited}.items()))


def finished_text(text: str, trigger: str | None, config: FilterTagsConfig) -> str:
    """With the trigger in front unless the text has it, and no longer than `max_tokens`: drops the last
    parts, but not the first.
    """
    if trigger and not re.search(rf"(?<!\w){re.escape(trigger)}(?!\w)", text, re.IGNORECASE):
        text = f"{trigger}, {text}"
    shown = escaped if config.escape else str
    if within(shown(text), config.max_tokens):
        return shown(text)
    shorter = [part.rstrip(" ,;") for part in accumulate(match.group() for match in PIECE.finditer(text))]
    fitting = [part for part in shorter if part and within(shown(part), config.max_tokens)]
    return shown(fitting[-1] if fitting else shorter[0])
