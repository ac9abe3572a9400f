"""The group tag."""

from typing import Annotated

from pydantic import Field

from pipeline.schemas.group import Count, Fraction, Group, NonEmpty, Positive, Sha256


class TagConfig(Group):
    model: NonEmpty | Annotated[list[NonEmpty], Field(min_length=1)] | None
    sha256: Sha256 | list[Sha256 | None] | None
    min_score: Fraction
    batch: Positive
    sentence_model: NonEmpty | None
    sentence_sha256: Sha256 | None
    sentence_prompt: str
    num_beams: Positive
    min_length: Count
    max_length: Positive
