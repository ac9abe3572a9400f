"""The group collect."""

from typing import Annotated

from pydantic import Field

from pipeline.config.schemas.group import Group, NonEmpty, Positive


class Collect(Group):
    source: NonEmpty | Annotated[list[NonEmpty], Field(min_length=1)]
    repeats: Positive
    min_side_px: Positive
    max_aspect: Annotated[float, Field(ge=1)]
