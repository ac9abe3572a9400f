"""The group class_images."""

from pipeline.config.schemas.group import Count, Group, Positive, Resolution, Weight
from pipeline.config.schemas.samplers import Sampler


class ClassImages(Group):
    count: Count
    prompt: str
    negative_prompt: str
    resolution: Resolution
    steps: Positive
    guidance: Weight
    sampler: Sampler
    batch: Positive
