"""LoCon: LoRA also on 3x3 convolutions (those of the Res blocks), optionally in Tucker form.

The plain form is LoRA with the layer's kernel in A. In Tucker form (FedPara, arXiv 2108.06098;
KohakuBlueleaf/LyCORIS lycoris/modules/locon.py) A and B are 1x1 and a small core C holds the kernel:

    x --- A [dim, in, 1, 1] --- C [dim, dim, k, k] --- B [out, dim, 1, 1] ---> (alpha / dim) B C A x

File keys: LoRA's, and `<module>.lora_mid.weight` (C).
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.networks.adapter import Adapter, AdapterSettings, has_kernel
from pipeline.networks.algorithms.lora import Lora, like


class Locon(Lora):
    """LoRA, or its Tucker form if configured and the layer has a kernel."""

    marks = ("lora_up.weight",)

    @classmethod
    def from_config(cls, target: nn.Module, settings: AdapterSettings) -> Adapter:
        tucker = settings.config.tucker and has_kernel(target)
        return (Tucker if tucker else Lora)(target, settings.dim, settings.alpha)

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        return (Tucker if "lora_mid.weight" in weights else Lora).from_weights(target, weights)


class Tucker(Lora):
    """The update of one convolution with a core between A and B."""

    def __init__(self, target: nn.Module, dim: int, alpha: float) -> None:
        super().__init__(target, dim, alpha)
        assert isinstance(target, nn.Conv2d)
        self.lora_down = nn.Conv2d(target.in_channels, dim, 1, bias=False)
        self.lora_mid = like(target, dim, dim)
        nn.init.kaiming_uniform_(self.lora_down.weight, a=math.sqrt(5))
        nn.init.kaiming_uniform_(self.lora_mid.weight, a=math.sqrt(5))

    def update(self, x: Tensor) -> Tensor:
        hidden = self.dropped(self.lora_mid(self.lora_down(x))) * (self.network_weight * self.scale)
        change: Tensor = self.lora_up(hidden)
        return change

    def in_one(self, x: Tensor) -> bool:  # noqa: ARG002
        return False

    def change(self) -> Tensor:
        up, down = self.lora_up.weight.flatten(1), self.lora_down.weight.flatten(1)
        return torch.einsum("or,rskl,si->oikl", up, self.lora_mid.weight, down) * self.scale
