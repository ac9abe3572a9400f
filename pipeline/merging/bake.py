"""Adds a network's change to a loaded base's weights for good: W + r delta, in float32, rounded once when
written. (`network_changes` bakes into files as they stream.)
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.layers import changeable_modules
from pipeline.errors import UserError
from pipeline.networks.checkpoint import FullFineTune, slots_of, weighted
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.trained import Trainable


@torch.no_grad()
def baked(weight: Tensor, delta: Tensor, strength: float) -> Tensor:
    """W + r delta; r is not in `delta`."""
    return weight + strength * delta


@torch.no_grad()
def bake(network: Trainable, base: Base, strength: float) -> Mapping[str, nn.Module]:
    """Changes the modules' weights in place; returns the changed layers by their names in files. Raises
    UserError if the network does not act on weights.
    """
    if isinstance(network, FullFineTune):
        return _replaced(network, base, strength)
    if not isinstance(network, AdapterNetwork):
        raise UserError("the network does not change the base's weights, so it cannot be baked into them")
    targets = changeable_modules(base)
    for name, adapter in network.adapters():
        weight = targets[name].weight
        assert isinstance(weight, Tensor)
        weight.copy_(baked(weight, adapter.delta(weight), strength))
        if adapter.bias_change is not None:
            bias = targets[name].bias
            assert isinstance(bias, Tensor)
            bias.copy_(baked(bias, adapter.bias_change, strength))
    return {name: targets[name] for name in network}


def _replaced(trained: FullFineTune, base: Base, strength: float) -> dict[str, nn.Module]:
    """At strength 1 exactly the trained weights."""
    changed = {}
    slots = slots_of(base)
    for name, after in trained.trained():
        module, leaf = slots[name]
        weight = module.get_parameter(leaf)
        weight.copy_(weighted(weight, after, strength))
        changed[name.rpartition(".")[0]] = module
    return changed
