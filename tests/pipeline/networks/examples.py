"""What the tests of the algorithms share: layers, settings, filled adapters, weights read off an answer."""

import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.config.compose import Params, compose
from pipeline.networks.adapter import Adapter, AdapterSettings, Layer
from pipeline.schemas import AdapterNetworkConfig
from tests.conftest import ROOT


@cache
def defaults(name: str) -> dict[str, Any]:
    """conf/network/<name>.yaml."""
    with contextlib.chdir(ROOT):
        values: dict[str, Any] = compose(Params({"network": name}, {}))["network"]
    return values


def network_config(name: str, **changes: Any) -> AdapterNetworkConfig:
    """conf/network/<name>.yaml with changes."""
    return AdapterNetworkConfig.model_validate({**defaults(name), **changes})


def settings(
    name: str, dim: int = 4, alpha: float = 3.0, layer: str = "x", **changes: Any
) -> AdapterSettings:
    """Of a layer, whose dim and alpha differ."""
    return AdapterSettings(layer, dim, alpha, network_config(name, **changes))


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(24, 20)


def conv(kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(24, 20, kernel, stride, kernel // 2)


LAYERS: dict[str, Callable[[], Layer]] = {
    "linear": linear,
    "1x1": lambda: conv(1),
    "3x3": conv,
    "3x3 by twos": lambda: conv(3, 2),
}


FilledAdapter = TypeVar("FilledAdapter", bound=Adapter)


def filled(adapter: FilledAdapter) -> FilledAdapter:
    """With no weight at zero any more."""
    generator = torch.Generator().manual_seed(1)
    for parameter in adapter.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return adapter.eval()


def input_for(layer: Layer, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    shape = (batch, 7, 24) if isinstance(layer, nn.Linear) else (batch, 24, 6, 6)
    return torch.randn(shape, generator=generator)


def weight_of(forward: Callable[[Tensor], Tensor], layer: Layer) -> Tensor:
    """The weight with which a forward pass without bias acts: its answer to one unit a time."""
    if isinstance(layer, nn.Linear):
        return forward(torch.eye(layer.in_features)).T
    side = layer.kernel_size[0]
    units = torch.zeros(layer.in_channels, layer.in_channels, side, side)
    units[range(layer.in_channels), range(layer.in_channels), side // 2, side // 2] = 1
    return forward(units).flip(2, 3).transpose(0, 1)


def silenced(layer: Layer) -> Layer:
    """The same without weight and bias, so that only an adapter's part is heard."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def relative(ours: Tensor, theirs: Tensor) -> float:
    ratio: float = ((ours - theirs).norm() / theirs.norm()).item()
    return ratio


def merged(adapter: Adapter, x: Tensor, strength: float = 1.0) -> Tensor:
    """The layer's answer with the change added to its weight."""
    layer = adapter.layer
    return adapter.applied(x, layer.weight + strength * adapter.delta(layer.weight), layer.bias)
