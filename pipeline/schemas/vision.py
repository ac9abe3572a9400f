"""The group `vision`: models that look at generated pictures."""

from typing import Literal

from pipeline.schemas.group import Group, NonEmpty, Positive, Sha256
from pipeline.schemas.tag import CaptionerDtype


class VisionConfig(Group):
    encoder: NonEmpty | None
    encoder_sha256: Sha256 | None
    aesthetic: NonEmpty | None
    aesthetic_sha256: Sha256 | None
    questioner: NonEmpty | None
    questioner_sha256: Sha256 | None
    questioner_dtype: CaptionerDtype
    questioner_weights: Literal["same", "int8"]
    batch: Positive
