"""Groups of what becomes of a trained network: sample_grid, merge."""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.config.schemas.group import Count, Group, NonEmpty, Positive, Resolution, Sampler, Share, Weight


class SampleGrid(Group):
    prompts: Annotated[list[NonEmpty], Field(min_length=1)]
    negative_prompt: str
    seeds: Annotated[list[Count], Field(min_length=1)]
    weights: Annotated[list[float], Field(min_length=1)]
    resolution: Resolution
    steps: Positive
    guidance: Weight
    sampler: Sampler
    batch: Positive
    subject_tags: list[NonEmpty]
    tag_threshold: Share


class Merge(Group):
    epoch: Literal["best", "last"] | Positive
    recipe: NonEmpty | dict[str, Any] | None
    alpha: float
    layout: Literal["file", "folder"]
    dtype: Literal["fp16", "bf16", "fp32"]
