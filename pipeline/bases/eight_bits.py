"""Holds a base's frozen layers in 8 bits: half the memory of 16 bits, a quarter of 32.

    W  ~  q * s      q: whole numbers from -127 to 127;  s: a scale for each output channel
    forward:  W is made anew from q and s for one layer at a time;  backward: again

Symmetric rounding to the nearest, with the channel's largest weight at 127 (absmax; Dettmers et al. 2022,
arXiv 2208.07339). A weight is off by at most half a scale: 0.4 % of its channel's largest weight. The layers
answer exactly as if their weights were these rounded ones.
"""

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

LARGEST = 127
LEAST_WEIGHTS = 4096
"""Smaller layers keep their precision: they save nothing."""
KEPT = ("conv_in", "conv_out", "time_embedding", "add_embedding", "embeddings")
"""Places whose errors would reach every layer, and token vectors, which are looked up."""


class EightBitLinear(nn.Linear):
    """A linear layer whose `weight` is whole numbers, with `scale` [out, 1]."""

    scale: Tensor

    def forward(self, input: Tensor) -> Tensor:
        return _LinearProduct.apply(_computed(input), self.weight, self.scale, self.bias)  # type: ignore[no-any-return,no-untyped-call]


class EightBitConv(nn.Conv2d):
    """A convolution whose `weight` is whole numbers, with `scale` [out, 1, 1, 1]."""

    scale: Tensor

    def forward(self, input: Tensor) -> Tensor:
        how = (self.stride, self.padding, self.dilation, self.groups)
        return _Convolution.apply(_computed(input), self.weight, self.scale, self.bias, how)  # type: ignore[no-any-return,no-untyped-call]


class _LinearProduct(torch.autograd.Function):
    """Keeps neither the input nor the whole weight for the backward pass."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight, scale)
        return F.linear(input, _whole(weight, scale, input), None if bias is None else bias.to(input.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (weight, scale) = gradients, ctx.saved_tensors
        return gradient @ _whole(weight, scale, gradient), None, None, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, how: tuple[Any, ...]
    ) -> Tensor:
        ctx.save_for_backward(weight, scale)
        ctx.how, ctx.shape = how, input.shape
        whole = _whole(weight, scale, input)
        return F.conv2d(input, whole, None if bias is None else bias.to(input.dtype), *how)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (weight, scale) = gradients, ctx.saved_tensors
        whole = _whole(weight, scale, gradient)
        return conv2d_input(ctx.shape, whole, gradient, *ctx.how), None, None, None, None


def in_eight_bits(parts: Iterable[nn.Module], dtype: torch.dtype, kept: Collection[str] = KEPT) -> None:
    """Turns the parts' large linear layers and convolutions into 8 bits, in place: they stay the same
    objects, for adapters that hold them. dtype: of the scales; the one in which the parts compute. kept:
    places that stay as they are.
    """
    for part in parts:
        for name, layer in part.named_modules():
            kind = EIGHT_BITS.get(type(layer))
            is_kept = any(word in name.split(".") for word in kept)
            if kind is not None and not is_kept and layer.get_parameter("weight").numel() >= LEAST_WEIGHTS:
                _turn(layer, kind, dtype)


EIGHT_BITS: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: EightBitLinear, nn.Conv2d: EightBitConv}


def _turn(layer: nn.Module, kind: type[nn.Module], dtype: torch.dtype) -> None:
    weight = layer.get_parameter("weight").detach().float()
    # The scale is rounded to its type first, so that the weight is rounded to what will be read back.
    scale = (weight.flatten(1).abs().amax(1) / LARGEST).to(dtype).reshape(-1, *[1] * (weight.ndim - 1))
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    whole_numbers = (weight / scale.float()).round().clamp(-LARGEST, LARGEST).to(torch.int8)
    layer.weight = nn.Parameter(whole_numbers, requires_grad=False)
    layer.register_buffer("scale", scale, persistent=False)
    layer.__class__ = kind  # type: ignore[assignment]


def _computed(input: Tensor) -> Tensor:
    """The input in the type that products have here."""
    device = input.device.type
    return input.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else input


def _whole(weight: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """The weight in the type of another tensor."""
    return weight.to(like.dtype).mul_(scale.to(like.dtype))
