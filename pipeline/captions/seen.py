"""The tags that a caption starts from: seen ones and existing ones, after `replace`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.captions.patterns import Patterns
from pipeline.captions.selection import rating, select
from pipeline.captions.tags import Dropped, Tag, distinct
from pipeline.captions.text import KAOMOJI, spaced, unescaped
from pipeline.schemas import FilterTagsConfig
from pipeline.texts.forms import is_prose
from pipeline.texts.lines import alternatives
from pipeline.texts.separators import TagPiece, separators_of

TagsRow = Mapping[str, Any]
"""A line of data/tags/tags.jsonl."""
CAME_ALONG = "caption came along"
WEIGHTED_TAG = re.compile(r"\((?P<words>.+?)(:\s*[+-]?[\d.]+\s*)?\)|\[(?P<weak>.+)\]")
"""A tag with a weight, `(smile:1.2)`, `(smile)` or `[smile]`."""


class Replacements:
    """Applies `replace`."""

    def __init__(self, config: FilterTagsConfig) -> None:
        self.patterns = Patterns(config.replace)
        names = separators_of(config).names
        self.new = {
            old: [name for text in ([new] if isinstance(new, str) else new) for name in names(text)]
            for old, new in config.replace.items()
        }

    def __call__(self, tags: Sequence[Tag]) -> tuple[list[Tag], list[Dropped]]:
        """The tags with the new ones in place of the old ones; the old ones, with the rule."""
        left, dropped = list[Tag](), list[Dropped]()
        for tag in tags:
            pattern = self.patterns.find(tag.name)
            names = [tag.name] if pattern is None else [spaced(name) for name in self.new[pattern]]
            if names == [tag.name]:
                left.append(tag)
                continue
            left += [replace(tag, name=name, origin=f"replace {pattern}") for name in names]
            if tag.name not in names:
                dropped.append(Dropped(tag.name, f"replace {pattern}", tag.score))
        return left, dropped


def seen_tags(
    row: TagsRow, config: FilterTagsConfig, replacements: Replacements
) -> tuple[list[Tag], list[Dropped]]:
    """Tags of the picture, existing ones first; and what was replaced, or has its category off."""
    seen, off = select(row["scores"], config)
    seen += rating(row["scores"], config)
    tags, replaced = replacements([*along(row, config), *seen])
    return distinct(tags), [*off, *replaced]


def along(row: TagsRow, config: FilterTagsConfig) -> list[Tag]:
    """Tags of the picture's existing captions, as far as those are lists of tags."""
    if config.existing_caption == "ignore":
        return []
    texts = [text for text in alternatives(row["caption"]) if not is_text(text, config)]
    return [_tag(piece, config) for text in texts for piece in separators_of(config).pieces(text)]


def is_text(caption: str, config: FilterTagsConfig) -> bool:
    """Whether an existing caption is a text, not a list of tags."""
    return config.existing_form == "text" or (config.existing_form == "auto" and is_prose(caption))


def _tag(piece: TagPiece, config: FilterTagsConfig) -> Tag:
    name, written = unescaped(piece.text), weighted(piece.text) if config.escape else None
    if written and (match := WEIGHTED_TAG.fullmatch(written)):
        name = match["words"] or match["weak"]
    return Tag(
        spaced(name), None, origin=CAME_ALONG, written=written, section=piece.section, group=piece.group
    )


def weighted(text: str) -> str | None:
    """The text, if it weights words; else None."""
    is_weighted = text not in KAOMOJI and (
        WEIGHTED_TAG.fullmatch(text) or re.search(r":\s*[+-]?[\d.]+\)", text)
    )
    return text if is_weighted else None
