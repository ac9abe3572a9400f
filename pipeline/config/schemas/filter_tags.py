"""The group filter_tags."""

from typing import Literal

from pipeline.config.schemas.group import Group, NonEmpty, Positive, Share


class FilterTags(Group):
    threshold: Share
    trigger: NonEmpty | None
    blacklist: list[NonEmpty]
    max_tags: Positive
    existing_caption: Literal["prepend", "replace", "ignore"]
