"""The MLP of a hypernetwork. Its layers, their order and their start are from AUTOMATIC1111
(modules/hypernetworks/hypernetwork.py, HypernetworkModule), so that weights can be exchanged by name.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.files.hypernetwork_file import MlpStructure

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "linear": nn.Identity, "relu": nn.ReLU, "leakyrelu": nn.LeakyReLU, "elu": nn.ELU, "swish": nn.Hardswish,
    "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softsign": nn.Softsign, "mish": nn.Mish,
    # ComfyUI only has the nine above; A1111 accepts every activation of torch by its lower-case name.
    "gelu": nn.GELU, "silu": nn.SiLU, "selu": nn.SELU, "celu": nn.CELU, "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "hardtanh": nn.Hardtanh,
    "softplus": nn.Softplus, "logsigmoid": nn.LogSigmoid, "tanhshrink": nn.Tanhshrink,
}  # fmt: skip
INITS: dict[str, Callable[..., Any]] = {
    "Normal": partial(nn.init.normal_, mean=0.0, std=0.01),
    "XavierUniform": nn.init.xavier_uniform_,
    "XavierNormal": nn.init.xavier_normal_,
    "KaimingUniform": nn.init.kaiming_uniform_,
    "KaimingNormal": nn.init.kaiming_normal_,
}


class Mlp(nn.Module):
    """x + weight * MLP(x) on [batch, tokens, width]; names and order of the layers are A1111's."""

    network_weight: float = 1.0

    def __init__(self, width: int, structure: MlpStructure) -> None:
        super().__init__()
        self.linear = nn.Sequential(*_layers(width, structure))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.linear(x)
        return x + change * self.network_weight


def _layers(width: int, structure: MlpStructure) -> Iterator[nn.Module]:
    widths = [int(width * multiple) for multiple in structure.layer_structure]
    last = len(widths) - 2
    for index, (before, after) in enumerate(pairwise(widths)):
        yield nn.Linear(before, after)
        # `linear` takes no place in the sequence, so that the names after it are A1111's.
        if structure.activation != "linear" and (index < last or structure.activate_output):
            yield ACTIVATIONS[structure.activation]()
        if structure.use_layer_norm:
            yield nn.LayerNorm(after)
        if rate := structure.dropout_structure[index + 1]:
            yield nn.Dropout(rate)


@torch.no_grad()
def start(mlp: Mlp, structure: MlpStructure) -> None:
    """A1111's start: biases 0; weights by the named rule; a norm's weights always Normal, so also near 0."""
    for layer in mlp.linear:
        if isinstance(layer, nn.Linear | nn.LayerNorm):
            rule = "Normal" if isinstance(layer, nn.LayerNorm) else structure.weight_init
            gain = "leaky_relu" if structure.activation == "leakyrelu" else "relu"
            INITS[rule](layer.weight, **({"nonlinearity": gain} if rule.startswith("Kaiming") else {}))
            nn.init.zeros_(layer.bias)
