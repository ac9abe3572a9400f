"""GLoRA (Chavan et al. 2023, arXiv 2306.07967): a low-rank change that also passes through the weight.

    change = (alpha / dim) (W A1 A2 + B1 B2)      A1 [in, dim], A2 [dim, in], B1 [out, dim], B2 [dim, in k k]

File keys (KohakuBlueleaf/LyCORIS lycoris/modules/glora.py): `<module>.a1.weight`, `a2.weight`, `b1.weight`,
`b2.weight`, `alpha`, and `bm.weight`, a core [dim, dim, k, k] between B1 and B2. Older files have the
factors in reverse order: A2 A1 and B2 B1.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.networks.adapter import Adapter, alpha_of, in_fp32

FACTORS = ("a1", "a2", "b1", "b2")
CORE = "bm"


class Glora(Adapter):
    """The change of one linear layer or convolution."""

    marks = ("a1.weight",)
    of_base = True

    def __init__(self, target: nn.Module, weights: Mapping[str, Tensor]) -> None:
        super().__init__(target)
        for name in (*FACTORS, *([CORE] if f"{CORE}.weight" in weights else [])):
            self.add_module(name, nn.Module())
            empty = torch.zeros(weights[f"{name}.weight"].shape)
            self.get_submodule(name).register_parameter("weight", nn.Parameter(empty))
        dim = min(weights["a1.weight"].shape[:2])
        self.scale = alpha_of(weights, dim) / dim
        self.register_buffer("alpha", torch.tensor(self.scale * dim))

    @classmethod
    @torch.no_grad()
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        made = cls(target, weights).filled(weights)
        made.change()  # fails here if shapes do not fit
        return made

    def update(self, x: Tensor) -> Tensor:
        return self.applied(x, self.network_weight * self.change())

    @in_fp32
    def change(self) -> Tensor:
        weight = self.layer.weight.float()
        a1, a2, b1, b2 = (self.get_parameter(f"{name}.weight").flatten(1) for name in FACTORS)
        if len(b1) != len(weight):
            a1, a2, b1, b2 = a2, a1, b2, b1
        through = torch.einsum("oi...,ij,jk->ok...", weight, a1, a2)
        return (through + self._own(b1, b2).reshape(weight.shape)) * self.scale

    def _own(self, b1: Tensor, b2: Tensor) -> Tensor:
        if not hasattr(self, CORE):
            return b1 @ b2
        return torch.einsum("or,rskl,si->oikl", b1, self.get_parameter(f"{CORE}.weight"), b2)
