"""The group crop."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.schemas.group import Fraction, Group, NonEmpty, Positive, Resolution, Sha256, Weight

StepPx = Annotated[int, Field(ge=8, multiple_of=8)]
Overlap = Annotated[float, Field(ge=0, le=0.9)]


class CropConfig(Group):
    NEUTRAL: ClassVar = {"mask_model": None, "mask_model_sha256": None, "mask_layout": "auto"}
    resolution: Resolution
    shape: Literal["square", "ratio", "buckets"]
    ratio: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    bucket_min_px: Positive
    bucket_max_px: Positive
    bucket_step_px: StepPx
    enlarge: bool
    focus: Literal["focal", "centre"]
    face_model: NonEmpty
    face_model_sha256: Sha256 | None
    face_min_score: Fraction
    face_weight: Weight
    entropy_weight: Weight
    edge_weight: Weight
    split_threshold: Fraction
    split_overlap: Overlap
    mirror: bool
    mask: Literal["files", "alpha", "model", "off"]
    mask_model: NonEmpty | None
    mask_model_sha256: Sha256 | None
    mask_layout: Literal["auto", "u2net", "isnet", "isnet_anime", "birefnet"]
    background: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]
