"""The groups that use a trained network: sample_grid, merge."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.schemas.group import (
    Fraction,
    Group,
    NonEmpty,
    Positive,
    Resolution,
    Seed,
    Sha256,
    Weight,
)
from pipeline.schemas.questions import WrittenQuestion
from pipeline.schemas.samplers import SamplerName

AxisKind = Literal[
    "none",
    "checkpoint",
    "merge_alpha",
    "merge_beta",
    "merge_blocks",
    "merge_base_alpha",
    "network",
    "block_weights",
    "weight",
    "clip_skip",
    "prompt",
    "search_replace",
    "negative_prompt",
    "resolution",
    "sampler",
    "steps",
    "guidance",
    "seed",
    "second_pass_scale",
    "second_pass_steps",
    "second_pass_strength",
]
AxisValues = NonEmpty | int | float | Annotated[list[str | int | float], Field(min_length=1)] | None


class SampleGridConfig(Group):
    NEUTRAL: ClassVar = {"guidance_rescale": 0.0, "questions": []}

    x: AxisKind
    x_values: AxisValues
    y: AxisKind
    y_values: AxisValues
    z: AxisKind
    z_values: AxisValues
    merge: NonEmpty | dict[str, Any] | None
    merge_step: NonEmpty
    network: NonEmpty
    weight: float
    prompts: Annotated[list[NonEmpty], Field(min_length=1)]
    drift_prompts: list[NonEmpty]
    questions: list[WrittenQuestion]
    negative_prompt: str
    seeds: Annotated[list[Seed], Field(min_length=1)]
    weights: Annotated[list[float], Field(min_length=1)]
    resolution: Resolution
    steps: Positive
    guidance: Weight
    guidance_rescale: Fraction
    sampler: SamplerName
    second_pass_upscaler: NonEmpty | None
    second_pass_upscaler_sha256: Sha256 | None
    second_pass_scale: Annotated[float, Field(gt=1, le=8)]
    second_pass_steps: Positive
    second_pass_strength: Annotated[float, Field(gt=0, le=1)]
    batch: Positive
    prompt_networks: list[NonEmpty]
    subject_tags: list[NonEmpty]
    tag_threshold: Fraction
    clip: NonEmpty | None
    clip_sha256: Sha256 | None
    copy_bits: Annotated[int, Field(ge=0, le=64)]
    title: str
    labels: dict[NonEmpty, str]
    max_megapixels: Annotated[float, Field(gt=0)]

    def axis_of(self, kind: str) -> str | None:
        """The axis `x`, `y` or `z` that varies this."""
        return next((axis for axis in "xyz" if getattr(self, axis) == kind), None)

    def values_of(self, kind: str) -> AxisValues:
        """The values of that axis as they are written; None without it."""
        axis = self.axis_of(kind)
        values: AxisValues = getattr(self, f"{axis}_values") if axis else None
        return values


class MergeConfig(Group):
    epoch: Literal["best", "last", "voted"] | Positive
    votes: Sha256 | None
    recipe: NonEmpty | dict[str, Any] | None
    alpha: float
    layout: Literal["file", "folder"]
    dtype: Literal["fp16", "bf16", "fp32", "source"]
