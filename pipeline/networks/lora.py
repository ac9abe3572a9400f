"""LoRA (Hu et al. 2021, arXiv 2106.09685): a low-rank update beside a frozen layer.

    x --- W (frozen) -------------------------- + ---> W x + (alpha / dim) B A x
      \\-- A [dim, in] --- B [out, dim] --------/

A starts at Kaiming-uniform, B at zero, so that training starts from the base. On a 1x1 convolution A and B
are 1x1 convolutions. File keys: `<module>.lora_down.weight` (A), `<module>.lora_up.weight` (B),
`<module>.alpha`.
"""

import math

import torch
from torch import Tensor, nn

from pipeline.config.schemas import Network as NetworkConfig

Layer = nn.Linear | nn.Conv2d


class Lora(nn.Module):
    """The update of one layer; `multiplier` is the strength at which it acts (1 in training)."""

    multiplier: float = 1.0

    def __init__(self, target: nn.Module, dim: int, alpha: float) -> None:
        super().__init__()
        self.lora_down, self.lora_up = _pair(target, dim)
        nn.init.kaiming_uniform_(self.lora_down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_up.weight)
        self.register_buffer("alpha", torch.tensor(float(alpha)))
        self.scale = alpha / dim

    @classmethod
    def from_config(cls, target: nn.Module, config: NetworkConfig) -> "Lora":
        return cls(target, config.dim, config.alpha)

    @classmethod
    def from_weights(cls, target: nn.Module, weights: dict[str, Tensor]) -> "Lora":
        """From a file's tensors of one module; a missing alpha means alpha = dim."""
        dim = weights["lora_down.weight"].shape[0]
        made = cls(target, dim, float(weights.get("alpha", torch.tensor(float(dim)))))
        made.load_state_dict({"alpha": made.alpha, **{key: value.float() for key, value in weights.items()}})
        return made

    def update(self, x: Tensor) -> Tensor:
        """What is added to the layer's output for the input `x`."""
        change: Tensor = self.lora_up(self.lora_down(x))
        return change * (self.multiplier * self.scale)

    def delta(self) -> Tensor:
        """The change of the layer's weight, in the weight's shape, at strength 1."""
        up, down = self.lora_up.weight, self.lora_down.weight
        change = up.flatten(1) @ down.flatten(1) * self.scale
        return change.reshape(up.shape[0], *down.shape[1:])


def _pair(target: nn.Module, dim: int) -> tuple[Layer, Layer]:
    if isinstance(target, nn.Conv2d):
        return nn.Conv2d(target.in_channels, dim, 1, bias=False), nn.Conv2d(
            dim, target.out_channels, 1, bias=False
        )
    assert isinstance(target, nn.Linear)
    return nn.Linear(target.in_features, dim, bias=False), nn.Linear(dim, target.out_features, bias=False)
