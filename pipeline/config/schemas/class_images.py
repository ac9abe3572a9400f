"""The group class_images."""

from typing import ClassVar

from pipeline.config.schemas.group import Count, Group, Positive, Resolution, Share, Weight
from pipeline.config.schemas.samplers import Sampler


class ClassImages(Group):
    NEUTRAL: ClassVar = {"guidance_rescale": 0.0}

    count: Count
    prompt: str
    negative_prompt: str
    resolution: Resolution
    steps: Positive
    guidance: Weight
    guidance_rescale: Share
    sampler: Sampler
    batch: Positive
