"""The group class_images."""

from pipeline.config.schemas.group import Count, Group, Positive, Resolution, Sampler, Weight


class ClassImages(Group):
    count: Count
    prompt: str
    negative_prompt: str
    resolution: Resolution
    steps: Positive
    guidance: Weight
    sampler: Sampler
    batch: Positive
