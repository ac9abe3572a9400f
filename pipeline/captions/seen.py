"""What stands at the beginning of a caption: tags that count as seen, those that came along, and those put in
their place by `replace`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.captions.patterns import Patterns
from pipeline.captions.selection import rating, select
from pipeline.captions.tags import Dropped, Tag, distinct
from pipeline.captions.text import spaced, split
from pipeline.config.schemas import FilterTags

Row = Mapping[str, Any]
"""A line of data/tags/tags.jsonl."""
CAME_ALONG = "caption came along"


class Replacements:
    """Writes tags otherwise."""

    def __init__(self, config: FilterTags) -> None:
        self.patterns = Patterns(config.replace)
        self.new = {old: [new] if isinstance(new, str) else new for old, new in config.replace.items()}

    def __call__(self, tags: Sequence[Tag]) -> tuple[list[Tag], list[Dropped]]:
        """The tags with the new ones in the old ones' places; the old ones, with the rule."""
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
    """Tags of the picture, those that came along first; and what was replaced, or is off."""
    found, off = select(row["scores"], config)
    found += rating(row["scores"], config)
    tags, replaced = replacements([*_along(row, config), *found])
    return distinct(tags), [*off, *replaced]


def _along(row: Row, config: FilterTags) -> list[Tag]:
    """Tags of the caption that came with the picture, where it is made of tags."""
    if row["caption"] is None or config.existing_caption == "ignore" or config.existing_form == "text":
        return []
    return [Tag(spaced(name), None, origin=CAME_ALONG) for name in split(row["caption"])]
