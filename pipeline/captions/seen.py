"""The tags that a caption starts from: seen ones and existing ones, after `replace`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.captions.patterns import Patterns
from pipeline.captions.selection import rating, select
from pipeline.captions.tags import Dropped, Tag, distinct
from pipeline.captions.text import KAOMOJI, spaced, unescaped
from pipeline.config.schemas import FilterTags
from pipeline.texts.forms import is_prose
from pipeline.texts.lines import alternatives
from pipeline.texts.separators import Piece, separators_of

Row = Mapping[str, Any]
"""A line of data/tags/tags.jsonl."""
CAME_ALONG = "caption came along"
WEIGHTED = re.compile(r"\((?P<words>.+?)(:\s*[+-]?[\d.]+\s*)?\)|\[(?P<weak>.+)\]")
"""A tag with a weight, `(smile:1.2)`, `(smile)` or `[smile]`."""


class Replacements:
    """Applies `replace`."""

    def __init__(self, config: FilterTags) -> None:
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


def seen_tags(row: Row, config: FilterTags, replacements: Replacements) -> tuple[list[Tag], list[Dropped]]:
    """Tags of the picture, existing ones first; and what was replaced, or has its category off."""
    seen, off = select(row["scores"], config)
    seen += rating(row["scores"], config)
    tags, replaced = replacements([*along(row, config), *seen])
    return distinct(tags), [*off, *replaced]


def along(row: Row, config: FilterTags) -> list[Tag]:
    """Tags of the picture's existing captions, as far as those are lists of tags."""
    if config.existing_caption == "ignore":
        return []
    texts = [text for text in alternatives(row["caption"]) if not is_text(text, config)]
    return [_tag(piece, config) for text in texts for piece in separators_of(config).pieces(text)]


def is_text(caption: str, config: FilterTags) -> bool:
    """Whether an existing caption is a text, not a list of tags."""
    return config.existing_form == "text" or (config.existing_form == "auto" and is_prose(caption))


def _tag(piece: Piece, config: FilterTags) -> Tag:
    name, written = unescaped(piece.text), weighted(piece.text) if config.escape else None
    if written and (match := WEIGHTED.fullmatch(written)):
        name = match["words"] or match["weak"]
    return Tag(
        spaced(name), None, origin=CAME_ALONG, written=written, section=piece.section, group=piece.group
    )


def weighted(text: str) -> str | None:
    """The text, if it weights words; else None."""
    is_weighted = text not in KAOMOJI and (WEIGHTED.fullmatch(text) or re.search(r":\s*[+-]?[\d.]+\)", text))
    return text if is_weighted else None
