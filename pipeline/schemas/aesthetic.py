"""The network option `aesthetic`."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.schemas.group import Group, NonEmpty, Positive, Sha256

AestheticLr = Annotated[float, Field(gt=0)]


class AestheticConfig(Group):
    name: Literal["aesthetic"]
    clip: NonEmpty
    clip_sha256: Sha256 | None
    steps: Positive
    lr: AestheticLr
    slerp: bool
