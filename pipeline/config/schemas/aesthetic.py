"""The network option `aesthetic`."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.schemas.group import Group, NonEmpty, Positive, Sha256

Rate = Annotated[float, Field(gt=0)]


class Aesthetic(Group):
    name: Literal["aesthetic"]
    clip: NonEmpty
    clip_sha256: Sha256 | None
    steps: Positive
    lr: Rate
    slerp: bool
