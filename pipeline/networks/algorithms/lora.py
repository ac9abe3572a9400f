"""LoRA (Hu et al. 2021, arXiv 2106.09685): a low-rank update added to a frozen layer.

    x --- W (frozen) -------------------------- + ---> W x + (alpha / dim) B A x
      \\-- A [dim, in] --- B [out, dim] --------/

A starts at Kaiming-uniform, B at zero, so that training starts from the base. On a convolution A has the
layer's kernel, stride and padding, B is a 1x1 convolution (LoCon; KohakuBlueleaf/LyCORIS
lycoris/modules/locon.py). File keys: `<module>.lora_down.weight` (A), `<module>.lora_up.weight` (B),
`<module>.alpha`.

Dropout as in kohya-ss/sd-scripts networks/lora.py: of single numbers after A, of whole ranks, of the module.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.adapter import Adapter, AdapterSettings, Layer, alpha_of


class Lora(Adapter):
    """The update of one linear layer or convolution."""

    from_zero = ("lora_up.weight",)

    def __init__(self, target: nn.Module, dim: int, alpha: float) -> None:
        super().__init__(target)
        self.lora_down, self.lora_up = _pair(self.layer, dim)
        nn.init.kaiming_uniform_(self.lora_down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_up.weight)
        self.register_buffer("alpha", torch.tensor(float(alpha)))
        self.scale = alpha / dim

    @classmethod
    def from_config(cls, target: nn.Module, settings: AdapterSettings) -> Adapter:
        return cls(target, settings.dim, settings.alpha)

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        dim = weights["lora_up.weight"].shape[1]
        return cls(target, dim, alpha_of(weights, dim)).filled(weights)

    def update(self, x: Tensor) -> Tensor:
        hidden = self.dropped(self.lora_down(x)) * (self.network_weight * self.scale)
        change: Tensor = self.lora_up(hidden)
        return change

    def in_one(self, x: Tensor) -> bool:
        """If the layer is narrow compared with dim: the sum takes one pass more than a frozen layer (the
        gradient of the weight) and the building of the weight, the pair three passes (forward, both
        gradients).
        """
        out, dim = self.lora_up.weight.shape[:2]
        inside = self.layer.weight[0].numel()
        positions = x.numel() / x.shape[self._channel_axis]
        return out * inside * (positions + 3 * dim) < 3 * dim * (out + inside) * positions

    def dropped(self, hidden: Tensor) -> Tensor:
        """A's output; in training some of its numbers, and some ranks of each sample, are set to zero."""
        if self.training and self.dropout:
            hidden = F.dropout(hidden, self.dropout)
        return self.thinned(hidden, self.rank_dropout)

    def change(self) -> Tensor:
        product = (self.lora_up.weight.flatten(1) * self.scale) @ self.lora_down.weight.flatten(1)
        return product.reshape(self.layer.weight.shape)

    @torch.no_grad()
    def shrink(self, ratio: Tensor) -> None:
        self.lora_down.weight *= ratio.sqrt()
        self.lora_up.weight *= ratio.sqrt()


def _pair(target: Layer, dim: int) -> tuple[Layer, Layer]:
    if isinstance(target, nn.Conv2d):
        return like(target, target.in_channels, dim), nn.Conv2d(dim, target.out_channels, 1, bias=False)
    return nn.Linear(target.in_features, dim, bias=False), nn.Linear(dim, target.out_features, bias=False)


def like(target: nn.Conv2d, inside: int, out: int) -> nn.Conv2d:
    """A convolution with the target's kernel, stride, padding and dilation."""
    shape: tuple[Any, ...] = (target.kernel_size, target.stride, target.padding, target.dilation)
    kernel, stride, padding, dilation = shape
    return nn.Conv2d(inside, out, kernel, stride, padding, dilation, bias=False)
