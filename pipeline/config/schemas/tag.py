"""The group tag."""

from pipeline.config.schemas.group import Group, NonEmpty, Positive, Sha256, Share


class Tag(Group):
    model: NonEmpty
    sha256: Sha256 | None
    min_score: Share
    batch: Positive
