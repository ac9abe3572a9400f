"""Which layers a network trains, and the dim, alpha and lr of each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from torch import nn

from pipeline.bases.base import Base
from pipeline.bases.layers import BaseLayer, further_layers, main_layers, text_layers
from pipeline.errors import UserError
from pipeline.networks.adapter import Adapter, AdapterSettings, has_kernel
from pipeline.networks.block_values import by_block
from pipeline.schemas import AdapterNetworkConfig


@dataclass(frozen=True)
class TargetLayer:
    """A layer to train."""

    module: nn.Module
    settings: AdapterSettings
    lr_factor: float


def target_layers(
    config: AdapterNetworkConfig, algorithm: type[Adapter], base: Base
) -> dict[str, TargetLayer]:
    """Layers by their names in the file. Raises UserError if none is left."""
    targets = {
        **(main_layers(base) if config.unet else {}),
        **(further_layers(base) if config.unet and config.conv_dim else {}),
        **(text_layers(base) if config.text_encoder else {}),
    }
    only = None if config.include else algorithm.only
    selected = {
        name: layer
        for name, layer in targets.items()
        if (only is None or only.search(name)) and _passes(name, config)
    }
    chosen = _with_numbers(config, selected, base.family.blocks_of(base.configs))
    if not chosen:
        raise UserError(
            f"network.include {config.include} and exclude {config.exclude} leave no layer to train;"
            f" names are like {next(iter(targets))}"
        )
    return chosen


def _passes(name: str, config: AdapterNetworkConfig) -> bool:
    included = not config.include or any(re.search(pattern, name) for pattern in config.include)
    return included and not any(re.search(pattern, name) for pattern in config.exclude)


def _with_numbers(
    config: AdapterNetworkConfig, selected: dict[str, BaseLayer], blocks: Sequence[str]
) -> dict[str, TargetLayer]:
    """Each layer's own dim, alpha and lr factor; blocks with dim or lr 0 are left out."""
    dims = by_block(config.block_dims, config.dim, blocks)
    alphas = by_block(config.block_alphas, config.alpha, blocks)
    rates = by_block(config.block_rates, 1.0, blocks)
    trained = {}
    for name, layer in selected.items():
        block = layer.block
        dim_ratio = dims[block] / config.dim if block else 1.0
        alpha_ratio = alphas[block] / config.alpha if block else 1.0
        dim, alpha = _whole_layer(config, layer.module)
        own = round(dim * dim_ratio)
        rate = rates[block] if block else 1.0
        if own and rate:
            # Loaders divide by dim, so an alpha of alpha * sqrt(dim) scales by alpha / sqrt(dim).
            own_alpha = alpha * alpha_ratio * (sqrt(own) if config.rslora else 1)
            trained[name] = TargetLayer(layer.module, AdapterSettings(name, own, own_alpha, config), rate)
    return trained


def _whole_layer(config: AdapterNetworkConfig, module: nn.Module) -> tuple[int, float]:
    """dim and alpha before the blocks' ratios."""
    if has_kernel(module):
        assert config.conv_dim is not None
        return config.conv_dim, config.conv_alpha or config.alpha
    return config.dim, config.alpha
