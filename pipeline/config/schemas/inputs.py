"""Groups of the data stages: collect, crop, tag, filter_tags, class_images."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.schemas.group import (
    Count,
    Group,
    NonEmpty,
    Positive,
    Resolution,
    Sampler,
    Sha256,
    Share,
    Weight,
)


class Collect(Group):
    source: NonEmpty | Annotated[list[NonEmpty], Field(min_length=1)]
    repeats: Positive
    min_side_px: Positive
    max_aspect: Annotated[float, Field(ge=1)]


class Crop(Group):
    resolution: Resolution
    focus: Literal["focal", "centre"]
    face_weight: Weight
    entropy_weight: Weight
    edge_weight: Weight


class Tag(Group):
    model: NonEmpty
    sha256: Sha256 | None
    min_score: Share
    batch: Positive


class FilterTags(Group):
    threshold: Share
    trigger: NonEmpty | None
    blacklist: list[NonEmpty]
    max_tags: Positive
    existing_caption: Literal["prepend", "replace", "ignore"]


class ClassImages(Group):
    count: Count
    prompt: str
    negative_prompt: str
    resolution: Resolution
    steps: Positive
    guidance: Weight
    sampler: Sampler
    batch: Positive
