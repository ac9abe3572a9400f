"""Which layers a network trains, and with which dim, alpha and rate each."""

import re
from dataclasses import dataclass
from math import sqrt

from torch import nn

from pipeline.base.blocks import block_of
from pipeline.config.schemas import AdapterNetwork
from pipeline.errors import UserError
from pipeline.networks.adapter import Adapter, Settings, has_kernel
from pipeline.networks.block_values import by_block
from pipeline.networks.targets import (
    TEXT_PREFIX,
    convolution_targets,
    text_encoder_targets,
    unet_paths,
    unet_targets,
)


@dataclass(frozen=True)
class Place:
    """A layer to train."""

    module: nn.Module
    settings: Settings
    rate_factor: float


def places(
    config: AdapterNetwork, algorithm: type[Adapter], unet: nn.Module, text_encoder: nn.Module
) -> dict[str, Place]:
    """Layers by their names in the file; that none is left is a user error."""
    targets = {
        **(unet_targets(unet) if config.unet else {}),
        **(convolution_targets(unet) if config.unet and config.conv_dim else {}),
        **(text_encoder_targets(text_encoder) if config.text_encoder else {}),
    }
    only = None if config.include else algorithm.only
    wanted = {
        name: module
        for name, module in targets.items()
        if (only is None or only.search(name)) and _passes(name, config)
    }
    paths = unet_paths(unet)
    blocks = {name: block_of(f"{paths[name]}.") for name in wanted if not name.startswith(TEXT_PREFIX)}
    found = _with_numbers(config, wanted, blocks)
    if not found:
        raise UserError(
            f"network.include {config.include} and exclude {config.exclude} leave no layer to train;"
            f" names are like {next(iter(targets))}"
        )
    return found


def _passes(name: str, config: AdapterNetwork) -> bool:
    included = not config.include or any(re.search(pattern, name) for pattern in config.include)
    return included and not any(re.search(pattern, name) for pattern in config.exclude)


def _with_numbers(
    config: AdapterNetwork, wanted: dict[str, nn.Module], blocks: dict[str, str]
) -> dict[str, Place]:
    """Each layer's own dim, alpha and rate; blocks of dim or rate 0 are left out."""
    dims = by_block(config.block_dims, config.dim)
    alphas = by_block(config.block_alphas, config.alpha)
    rates = by_block(config.block_rates, 1.0)
    found = {}
    for name, module in wanted.items():
        block = blocks.get(name)
        dim_share = dims[block] / config.dim if block else 1.0
        alpha_share = alphas[block] / config.alpha if block else 1.0
        dim, alpha = _whole_layer(config, module)
        own = round(dim * dim_share)
        rate = rates[block] if block else 1.0
        if own and rate:
            # Loaders divide by dim, so an alpha of alpha * sqrt(dim) scales by alpha / sqrt(dim).
            strength = alpha * alpha_share * (sqrt(own) if config.rslora else 1)
            found[name] = Place(module, Settings(name, own, strength, config), rate)
    return found


def _whole_layer(config: AdapterNetwork, module: nn.Module) -> tuple[int, float]:
    """dim and alpha before the blocks' shares."""
    if has_kernel(module):
        assert config.conv_dim is not None
        return config.conv_dim, config.conv_alpha or config.alpha
    return config.dim, config.alpha
