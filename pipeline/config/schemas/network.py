"""The group network: one schema a family of what can be trained, told apart by `name`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.config.schemas.group import Count, Group, NonEmpty, Positive, Sha256, Share, Weight


def _regular(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression ({error})") from None
    return text


ALGORITHMS = tuple(
    sorted(file.stem for file in (Path(__file__).parents[2] / "networks/algorithms").glob("[a-z]*.py"))
)
"""Adapters' names: one for each file there."""
Regular = Annotated[NonEmpty, AfterValidator(_regular)]
Scale = Annotated[float, Field(gt=0)]
BlockName = Annotated[str, Field(pattern=r"^((IN|OUT)(0\d|1[01])|M00)$")]
Shape = Annotated[str, Field(pattern=r"^(linear|reverse_linear|sine|cosine)(\+\d*\.?\d+)?$")]


class AdapterNetwork(Group):
    """Small modules beside layers of the base: LoRA and its kin."""

    name: Literal[ALGORITHMS]  # type: ignore[valid-type]
    dim: Positive
    alpha: Scale
    conv_dim: Positive | None
    conv_alpha: Scale | None
    unet: bool
    text_encoder: bool
    include: list[Regular]
    exclude: list[Regular]
    block_dims: (
        Annotated[list[Count], Field(min_length=25, max_length=25)] | dict[BlockName, Count] | Shape | None
    )
    block_alphas: (
        Annotated[list[Scale], Field(min_length=25, max_length=25)] | dict[BlockName, Scale] | Shape | None
    )
    block_rates: (
        Annotated[list[Weight], Field(min_length=25, max_length=25)] | dict[BlockName, Weight] | Shape | None
    )
    dora: bool
    rslora: bool
    tucker: bool
    factor: Literal[-1] | Positive
    decompose_both: bool
    full_matrix: bool
    unit: Positive
    dropout: Share
    rank_dropout: Share
    module_dropout: Share
    max_norm: Scale | None
    lora_plus_ratio: Scale
    initial: NonEmpty | None
    initial_sha256: Sha256 | None


# Further families join it: Annotated[AdapterNetwork | Embedding, Field(discriminator="name")].
Network = AdapterNetwork
