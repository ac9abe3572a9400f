"""The network option `checkpoint`: a full fine-tune."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.schemas.blocks import BlockName, LrFactors, Regular
from pipeline.schemas.group import Group


class CheckpointConfig(Group):
    """The base's own weights."""

    name: Literal["checkpoint"]
    unet: bool
    text_encoder: bool
    blocks: Annotated[list[BlockName], Field(min_length=1)] | None
    block_rates: LrFactors
    include: list[Regular]
    exclude: list[Regular]
    weight_precision: Literal["fp32", "bf16"]
