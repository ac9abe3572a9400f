"""The group class_images."""

from typing import ClassVar

from pipeline.schemas.group import Count, DrawingPrecision, Fraction, Group, Positive, Resolution, Weight
from pipeline.schemas.samplers import SamplerName


class ClassImagesConfig(Group):
    NEUTRAL: ClassVar = {"guidance_rescale": 0.0, "precision": "fp32"}

    count: Count
    prompt: str
    negative_prompt: str
    resolution: Resolution
    steps: Positive
    guidance: Weight
    guidance_rescale: Fraction
    sampler: SamplerName
    batch: Positive
    precision: DrawingPrecision
    model_offload: bool
