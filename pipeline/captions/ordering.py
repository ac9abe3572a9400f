"""The order of a caption's tags: people counts first, then by score, frequency or alphabet, ratings last."""

import re
from collections.abc import Mapping, Sequence

from pipeline.captions.selection import RATING
from pipeline.captions.tags import Tag, surest_first
from pipeline.captions.text import same
from pipeline.schemas import FilterTagsConfig

PEOPLE = re.compile(r"solo|no humans|multiple (girl|boy|other)s|\d+\+?(girl|boy|other)s?", re.IGNORECASE)
"""As in deepghs/imgutils imgutils/tagging/order.py, plus `multiple girls`, `others` and `no humans`."""


def ordered(tags: Sequence[Tag], config: FilterTagsConfig, frequency: Mapping[str, int]) -> list[Tag]:
    """`frequency`: in how many pictures each tag was seen. Ties go by score, then alphabet."""
    sorted_tags = surest_first(tags)
    if config.order == "frequency":
        sorted_tags.sort(key=lambda tag: -frequency.get(same(tag.name), 0))
    elif config.order == "alphabet":
        sorted_tags.sort(key=lambda tag: tag.name)
    return sorted(sorted_tags, key=_rank)


def _rank(tag: Tag) -> int:
    return 2 if tag.category == RATING else int(not is_people(tag.name))


def is_people(tag: str) -> bool:
    """`1girl`, `2boys`, `6+girls`, `solo` and the like."""
    return PEOPLE.fullmatch(tag) is not None
