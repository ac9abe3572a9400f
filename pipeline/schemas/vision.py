"""The group `vision`: models that look at generated pictures."""

from pipeline.schemas.group import Group, NonEmpty, Positive, Sha256


class VisionConfig(Group):
    encoder: NonEmpty | None
    encoder_sha256: Sha256 | None
    aesthetic: NonEmpty | None
    aesthetic_sha256: Sha256 | None
    batch: Positive
