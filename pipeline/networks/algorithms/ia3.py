"""IA3 (Liu et al. 2022, arXiv 2205.05638): learned scales on keys, values and the second linear of the MLP.

    W' = W (1 + l)      l: one number an output (keys, values), or an input (the MLP)

`network.include` can name other layers; their outputs are scaled. l starts at zero, so training starts from
the base. The bias is not scaled, so the layer gives the same output as its merged weight. Layers, file keys
and their meaning are from KohakuBlueleaf/LyCORIS (preset `ia3` in lycoris/config.py, lycoris/modules/ia3.py):
`<module>.weight` (l), `<module>.on_input` (0 or 1). ComfyUI does not read these; a companion file has the
same change as a plain difference, `<module>.diff`.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.networks.adapter import Adapter, Adapters, AdapterSettings, Frozen
from pipeline.networks.trained import CompanionFile
from pipeline.schemas import AdapterNetworkConfig

INPUT = re.compile(r"(ff_net_2|mlp_fc2)$")


class Ia3(Adapter):
    """The scales of one layer."""

    marks = ("on_input",)
    of_base = True
    only = re.compile(r"(to_[kv]|[kv]_proj|ff_net_2|mlp_fc2)$")

    def __init__(self, target: nn.Module, on_input: bool) -> None:
        super().__init__(target)
        weight = self.layer.weight
        shape = (weight.shape[on_input],) if weight.dim() == 2 else (1, weight.shape[on_input], 1, 1)
        self.weight = nn.Parameter(torch.zeros(shape))
        self.register_buffer("on_input", torch.tensor(int(on_input)))
        self.scales_input = on_input

    @classmethod
    def from_config(cls, target: nn.Module, settings: AdapterSettings) -> Adapter:
        return cls(target, INPUT.search(settings.name) is not None)

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        return cls(target, bool(weights["on_input"])).filled(weights)

    @classmethod
    @torch.no_grad()
    def companion_files(cls, adapters: Adapters, settings: AdapterNetworkConfig) -> dict[str, CompanionFile]:  # noqa: ARG003
        """The change as a plain difference, which ComfyUI reads."""
        changes = {  # the layer's weight may be in the machine's memory (train.offload)
            f"{name}.diff": adapter.delta(adapter.layer.weight.to(adapter.get_parameter("weight").device))
            for name, adapter in adapters.items()
        }
        return {"-diff": CompanionFile(changes, {})}

    def answer(self, x: Tensor, frozen: Frozen) -> Tensor:
        scale = self.network_weight * self.weight.flatten()
        if self.scales_input:
            return frozen(x + x * self.per_channel(x, scale))
        result = frozen(x)
        scaled = result + result * self.per_channel(result, scale)
        bias = self.layer.bias
        return scaled if bias is None else scaled - self.per_channel(result, scale * bias)

    def delta(self, weight: Tensor) -> Tensor:
        shape = [1] * weight.dim()
        shape[self.scales_input] = -1
        return weight * self.weight.reshape(shape)

    @torch.no_grad()
    def shrink(self, ratio: Tensor) -> None:
        self.weight.mul_(ratio)
