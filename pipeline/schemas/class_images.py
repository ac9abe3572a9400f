"""The group class_images."""

from typing import ClassVar

from pipeline.schemas.group import Count, Fraction, Group, Positive, Resolution, Weight
from pipeline.schemas.samplers import SamplerName


class ClassImagesConfig(Group):
    NEUTRAL: ClassVar = {"guidance_rescale": 0.0}

    count: Count
    prompt: str
    negative_prompt: str
    resolution: Resolution
    steps: Positive
    guidance: Weight
    guidance_rescale: Fraction
    sampler: SamplerName
    batch: Positive
