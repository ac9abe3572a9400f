"""The group crop."""

from typing import Literal

from pipeline.config.schemas.group import Group, Resolution, Weight


class Crop(Group):
    resolution: Resolution
    focus: Literal["focal", "centre"]
    face_weight: Weight
    entropy_weight: Weight
    edge_weight: Weight
