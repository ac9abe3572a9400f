"""A network's update added to the base's weights for good: W + r delta, in float32, rounded once when
written.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.networks.network import Network
from pipeline.networks.targets import text_encoder_targets, unet_targets


@torch.no_grad()
def baked(weight: Tensor, delta: Tensor, strength: float) -> Tensor:
    """W + r (alpha / dim) B A; `delta` holds all but r, and may lack the 1x1 kernel's axes."""
    return weight + strength * delta.reshape(weight.shape)


@torch.no_grad()
def bake(
    network: Network, unet: nn.Module, text_encoder: nn.Module, strength: float
) -> Mapping[str, nn.Module]:
    """Changes the modules' weights in place; returns the changed layers by their file names."""
    targets = {**unet_targets(unet), **text_encoder_targets(text_encoder)}
    for name, adapter in network.adapters():
        weight = targets[name].weight
        assert isinstance(weight, Tensor)
        weight.copy_(baked(weight, adapter.delta(), strength))
    return {name: targets[name] for name in network}
