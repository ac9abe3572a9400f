"""The group network: one schema for each kind of network; `name` distinguishes them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.schemas.aesthetic import AestheticConfig
from pipeline.schemas.blocks import BlockName, ForEachBlock, LrFactors, Regular, Shape
from pipeline.schemas.checkpoint import CheckpointConfig
from pipeline.schemas.embedding import EmbeddingConfig
from pipeline.schemas.group import Count, Fraction, Group, NonEmpty, Positive, Sha256
from pipeline.schemas.hypernetwork import HypernetworkConfig

ALGORITHM_NAMES = tuple(
    sorted(file.stem for file in (Path(__file__).parents[1] / "networks/algorithms").glob("[a-z]*.py"))
)
"""Names of the adapters: one per file."""
Scale = Annotated[float, Field(gt=0)]


class AdapterNetworkConfig(Group):
    """Small modules next to the base's layers: LoRA and its variants."""

    name: Literal[ALGORITHM_NAMES]  # type: ignore[valid-type]
    dim: Positive
    alpha: Scale
    conv_dim: Positive | None
    conv_alpha: Scale | None
    unet: bool
    text_encoder: bool
    include: list[Regular]
    exclude: list[Regular]
    block_dims: Annotated[list[Count], ForEachBlock] | dict[BlockName, Count] | Shape | None
    block_alphas: Annotated[list[Scale], ForEachBlock] | dict[BlockName, Scale] | Shape | None
    block_rates: LrFactors
    dora: bool
    rslora: bool
    tucker: bool
    factor: Literal[-1] | Positive
    decompose_both: bool
    full_matrix: bool
    unit: Positive
    dropout: Fraction
    rank_dropout: Fraction
    module_dropout: Fraction
    max_norm: Scale | None
    lora_plus_ratio: Scale
    initial: NonEmpty | None
    initial_sha256: Sha256 | None


NetworkConfig = Annotated[
    AdapterNetworkConfig | AestheticConfig | CheckpointConfig | EmbeddingConfig | HypernetworkConfig,
    Field(discriminator="name"),
]
