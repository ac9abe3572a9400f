"""What all adapters share: a small module on a frozen layer, which changes the layer's output.

    x --- W (frozen) --- + ---> W x + weight * change x
      \\--- adapter -----/

An algorithm is one file with one class: `from_config`, `from_weights`, `update` and `change` (or `answer` and
`delta`, if the change is not a sum).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from re import Pattern
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks import dora
from pipeline.networks.trained import CompanionFile
from pipeline.schemas import AdapterNetworkConfig

Layer = nn.Linear | nn.Conv2d
Frozen = Callable[[Tensor], Tensor]
"""The layer's forward pass before this adapter was attached."""
Adapters = Mapping[str, "Adapter"]
"""By their modules' names in the file."""


@dataclass(frozen=True)
class AdapterSettings:
    """One layer's name in the file, dim and alpha, and the network's settings."""

    name: str
    dim: int
    alpha: float
    config: AdapterNetworkConfig


class Adapter(nn.Module):
    """Changes one layer; `network_weight` is the weight at which it acts (1 in training)."""

    marks: tuple[str, ...] = ()
    """Leaves in a file, any of which identifies the algorithm."""
    only: Pattern[str] | None = None
    """Names of the layers that the algorithm trains if `include` is empty; None: all."""
    from_zero: tuple[str, ...] = ()
    """Weights that start at zero: LoRA+ gives them their own lr."""
    of_base = False
    """Whether the change also depends on the base's own weight."""

    network_weight: float = 1.0
    is_on: bool = True
    """Off, the layer answers as if the adapter were not attached."""
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    dora_scale: nn.Parameter | None
    diff_b: nn.Parameter | None
    """A change of the layer's bias; only other tools' files have one."""

    def __init__(self, target: nn.Module) -> None:
        super().__init__()
        # In a list, so that the frozen layer is not a submodule: not trained, not saved, not moved.
        self._layer: list[Any] = [target]
        self.register_parameter("dora_scale", None)
        self.register_parameter("diff_b", None)

    @classmethod
    def from_config(cls, target: nn.Module, settings: AdapterSettings) -> "Adapter":
        """A new adapter."""
        raise NotImplementedError

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> "Adapter":
        """From a file's tensors of one module, by leaf."""
        raise NotImplementedError

    @classmethod
    def begin_step(cls, adapters: Iterable["Adapter"], settings: AdapterNetworkConfig, seed: int) -> None:
        """Called before each training step with all layers' adapters; random choices depend on `seed`
        alone.
        """

    @classmethod
    def companion_files(cls, adapters: Adapters, settings: AdapterNetworkConfig) -> dict[str, CompanionFile]:  # noqa: ARG003
        """Companion files of the network's own, by the suffix of their names."""
        return {}

    def update(self, x: Tensor) -> Tensor:
        """What is added to the layer's output for the input `x`, at the network's weight."""
        raise NotImplementedError

    def in_one(self, x: Tensor) -> bool:  # noqa: ARG002
        """Whether one pass with the merged weight is cheaper."""
        return False

    def change(self) -> Tensor:
        """What is added to the layer's weight at network weight 1, before DoRA, in the weight's shape."""
        raise NotImplementedError

    def changed(self) -> Tensor:
        """The layer's weight with the change, before DoRA, at the network's weight."""
        return torch.add(self.layer.weight, self.change(), alpha=self.network_weight)

    def shrink(self, ratio: Tensor) -> None:
        """Multiplies the change by `ratio`, a number on the device."""
        raise NotImplementedError

    def answer(self, x: Tensor, frozen: Frozen) -> Tensor:
        """The layer's output with the adapter's change."""
        if self.training and self.module_dropout and bool(torch.rand(()) < self.module_dropout):
            return frozen(x)
        if self.dora_scale is not None:
            return self._dora_answer(x, frozen, self.dora_scale)
        if self._may_be_in_one(x, frozen) and self.in_one(x):
            return self.applied(x, self.changed(), self.layer.bias)
        return frozen(x) + self.update(x)

    def with_bias(self, x: Tensor, frozen: Frozen) -> Tensor:
        """The output, with the change of the layer's bias if there is one."""
        if not self.is_on:
            return frozen(x)
        answer = self.answer(x, frozen)
        if self.bias_change is None:
            return answer
        return answer + self.per_channel(answer, self.network_weight * self.bias_change).to(answer.dtype)

    @property
    def bias_change(self) -> Tensor | None:
        """What is added to the layer's bias at network weight 1."""
        return self.diff_b

    def _may_be_in_one(self, x: Tensor, frozen: Frozen) -> bool:
        """Not if another network was attached to the layer before this one: its change would be lost. Nor in
        half precision: rounding the sum would swallow a small change.
        """
        is_own = getattr(frozen, "__self__", None) is self.layer
        is_exact = self.layer.weight.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
        return is_own and is_exact and not (self.training and (self.dropout or self.rank_dropout))

    def _dora_answer(self, x: Tensor, frozen: Frozen, magnitude: nn.Parameter) -> Tensor:
        """(W + change) x with the columns at their magnitude; scaling a column is scaling its input."""
        weight = self.layer.weight
        if self.network_weight != 1 or dora.on_output(magnitude):
            return frozen(x) + self.applied(x, self.network_weight * self.delta(weight))
        with torch.no_grad():
            norms = dora.norms(weight + self.change(), magnitude)
        scaled = x * self.per_channel(x, magnitude / norms)
        return frozen(scaled) + self.update(scaled)

    def delta(self, weight: Tensor) -> Tensor:
        """The change of the layer's `weight` at network weight 1, in its shape."""
        if self.dora_scale is None:
            return self.change()
        return dora.decomposed(weight + self.change(), self.dora_scale) - weight

    def decompose(self) -> Self:
        """Adds DoRA's magnitudes, which start at those of the frozen weight."""
        self.dora_scale = nn.Parameter(dora.magnitudes(self.layer.weight))
        return self

    def filled(self, weights: Mapping[str, Tensor]) -> Self:
        """Loads a file's tensors; alpha may be missing."""
        if "dora_scale" in weights:
            self.dora_scale = nn.Parameter(torch.empty_like(weights["dora_scale"], dtype=torch.float32))
        if "diff_b" in weights:
            self.diff_b = nn.Parameter(torch.zeros(len(self.layer.weight)))
        known: dict[str, Any] = {"alpha": self.alpha} if hasattr(self, "alpha") else {}
        self.load_state_dict(known | {key: value.float() for key, value in weights.items()})
        return self

    @property
    def layer(self) -> Layer:
        layer: Layer = self._layer[0]
        return layer

    def applied(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The layer's own operation with another weight."""
        layer = self.layer
        if isinstance(layer, nn.Linear):
            return F.linear(x, weight, bias)
        padding: Any = layer.padding
        return F.conv2d(x, weight, bias, layer.stride, padding, layer.dilation, layer.groups)

    def per_channel(self, like: Tensor, values: Tensor) -> Tensor:
        """[channels] or [batch, channels] shaped to multiply `like`."""
        values = values.reshape(-1, like.shape[self._channel_axis])
        shape = [1] * like.dim()
        shape[0], shape[self._channel_axis] = values.shape
        return values.reshape(shape)

    def thinned(self, values: Tensor, fraction: float) -> Tensor:
        """Sets random channels of each sample to zero and scales the others up to match (rank dropout,
        kohya-ss/sd-scripts networks/lora.py).
        """
        if not (self.training and fraction):
            return values
        kept = torch.rand((len(values), values.shape[self._channel_axis]), device=values.device) >= fraction
        return values * self.per_channel(values, kept.to(values.dtype) / (1 - fraction))

    @property
    def _channel_axis(self) -> int:
        layer: nn.Module = self.layer
        return 1 if isinstance(layer, nn.Conv2d | nn.GroupNorm) else -1


def in_fp32(change: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    """`change` of an adapter, with products in fp32 whatever is set around it: the difference of two weights
    that are almost equal is lost in 16 bits.
    """

    @wraps(change)
    def exact(adapter: Any) -> Tensor:
        with torch.autocast(adapter.layer.weight.device.type, enabled=False):
            return change(adapter)

    return exact


def has_kernel(target: nn.Module) -> bool:
    """Whether it is a convolution larger than 1x1."""
    return isinstance(target, nn.Conv2d) and target.kernel_size != (1, 1)


def alpha_of(weights: Mapping[str, Tensor], dim: int) -> float:
    """A file's alpha; a missing one means alpha = dim."""
    return float(weights.get("alpha", torch.tensor(float(dim))))
