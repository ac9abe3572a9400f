"""LoHa (FedPara, Hyeon-Woo et al. 2021, arXiv 2108.06098): the elementwise product of two low-rank products.

    change = (alpha / dim) (A1 B1) o (A2 B2)      A: [out, dim], B: [dim, in k k]; rank up to dim^2

A1 starts at N(0, 0.1), B1 and B2 at N(0, 1), A2 at zero. In Tucker form, on kernels larger than 1x1, each
product has a core T [dim, dim, k, k] between A [dim, out] and B [dim, in], T starting at N(0, 0.1). File keys
(KohakuBlueleaf/LyCORIS lycoris/modules/loha.py): `<module>.hada_w1_a`, `hada_w1_b`, `hada_w2_a`, `hada_w2_b`,
`hada_t1`, `hada_t2`, `alpha`.

The full weight is not always built. The product equals one of rank dim^2 with the factors' columns multiplied
pairwise (a Khatri-Rao product); for small dims these are two small operations. Otherwise the layer runs once,
with W + change: the frozen layer's two passes, a third for the gradient of the weight, and building the
weight, which a CPU does in pieces that fit its cache.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.adapter import Adapter, AdapterSettings, alpha_of, has_kernel

BUILT_NUMBERS = 2**18
"""Numbers of the weight that a CPU builds at a time: 1 MB."""


class Loha(Adapter):
    """The update of one linear layer or convolution."""

    marks = ("hada_w1_a",)
    from_zero = ("hada_w2_a",)
    hada_w1_a: nn.Parameter
    hada_w1_b: nn.Parameter
    hada_w2_a: nn.Parameter
    hada_w2_b: nn.Parameter
    hada_t1: nn.Parameter
    hada_t2: nn.Parameter

    def __init__(self, target: nn.Module, dim: int, alpha: float, tucker: bool = False) -> None:
        super().__init__(target)
        out, *inner = self.layer.weight.shape
        self.tucker, self.dim, self.scale = tucker, dim, alpha / dim
        inside = inner[0] if tucker else inner[0] * self.layer.weight[0, 0].numel()
        for half in ("1", "2"):
            left = torch.empty(dim, out) if tucker else torch.empty(out, dim)
            self.register_parameter(f"hada_w{half}_a", nn.Parameter(nn.init.normal_(left, std=0.1)))
            right = nn.init.normal_(torch.empty(dim, inside))
            self.register_parameter(f"hada_w{half}_b", nn.Parameter(right))
            if tucker:
                core = nn.init.normal_(torch.empty(dim, dim, *inner[1:]), std=0.1)
                self.register_parameter(f"hada_t{half}", nn.Parameter(core))
        nn.init.zeros_(self.get_parameter("hada_w2_a"))
        self.register_buffer("alpha", torch.tensor(float(alpha)))

    @classmethod
    def from_config(cls, target: nn.Module, settings: AdapterSettings) -> Adapter:
        return cls(target, settings.dim, settings.alpha, settings.config.tucker and has_kernel(target))

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        dim = len(weights["hada_w1_b"])
        return cls(target, dim, alpha_of(weights, dim), "hada_t1" in weights).filled(weights)

    def update(self, x: Tensor) -> Tensor:
        strength = self.network_weight * self.scale
        if self.in_one(x):
            return self.thinned(self.applied(x, self._product(strength)), self.rank_dropout)
        left, right = self._factors()
        hidden = self.applied(x, right.reshape(-1, *self.layer.weight.shape[1:]))
        if isinstance(self.layer, nn.Linear):
            return self.thinned(F.linear(hidden, left * strength), self.rank_dropout)
        return self.thinned(F.conv2d(hidden, (left * strength)[:, :, None, None]), self.rank_dropout)

    def change(self) -> Tensor:
        return self._product(self.scale)

    def in_one(self, x: Tensor) -> bool:
        """Whether W + change takes fewer multiplications than the factors of rank dim^2.

        The sum: one pass more than a frozen layer (the gradient of the weight), and the building of the
        weight, whatever the input's length. The factors: three passes (forward, both gradients).
        """
        if self.tucker:
            return True
        out, inside = self.hada_w1_a.shape[0], self.hada_w1_b.shape[1]
        positions = x.numel() / x.shape[self._channel_axis]
        return out * inside * (positions + 8 * self.dim) < 3 * self.dim**2 * (out + inside) * positions

    def _factors(self) -> tuple[Tensor, Tensor]:
        """[out, dim^2] and [dim^2, in k k], whose product is (A1 B1) o (A2 B2)."""
        left = self.hada_w1_a[:, :, None] * self.hada_w2_a[:, None, :]
        right = self.hada_w1_b[:, None, :] * self.hada_w2_b[None, :, :]
        return left.flatten(1), right.flatten(0, 1)

    def _product(self, strength: float) -> Tensor:
        """strength (A1 B1) o (A2 B2) in the weight's shape."""
        if self.tucker:
            halves = [
                torch.einsum("ijkl,ip,jr->prkl", core, left, right)
                for core, left, right in (
                    (self.hada_t1, self.hada_w1_a, self.hada_w1_b),
                    (self.hada_t2, self.hada_w2_a, self.hada_w2_b),
                )
            ]
            return halves[0] * halves[1] * strength
        return self._built(torch.zeros((), device=self.hada_w1_a.device), strength)

    def changed(self) -> Tensor:
        return (
            super().changed()
            if self.tucker
            else self._built(self.layer.weight, self.network_weight * self.scale)
        )

    def _built(self, onto: Tensor, strength: float) -> Tensor:
        """onto + strength (A1 B1) o (A2 B2), in the weight's shape."""
        shape = self.layer.weight.shape
        flat = onto.expand(shape).flatten(1)
        factors = (self.hada_w1_a, self.hada_w1_b, self.hada_w2_a, self.hada_w2_b)
        built: Tensor = Hadamard.apply(flat, *factors, strength)  # type: ignore[no-untyped-call]
        return built.reshape(shape)

    @torch.no_grad()
    def shrink(self, ratio: Tensor) -> None:
        self.hada_w1_a.mul_(ratio)


class Hadamard(torch.autograd.Function):
    """W + strength (A1 B1) o (A2 B2). The backward pass keeps only the factors and builds the products again.
    W is frozen.
    """

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor, strength: float
    ) -> Tensor:
        ctx.save_for_backward(a1, b1, a2, b2)
        ctx.strength = strength
        made = torch.empty_like(weight, dtype=a1.dtype, memory_format=torch.contiguous_format)
        for rows in pieces(weight):
            torch.addcmul(weight[rows], a1[rows] @ b1, a2[rows] @ b2, value=strength, out=made[rows])
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        a1, b1, a2, b2 = ctx.saved_tensors
        sums = [torch.zeros_like(factor) for factor in (a1, b1, a2, b2)]
        of_a1, of_b1, of_a2, of_b2 = sums
        for rows in pieces(gradients[0]):
            product = (a2[rows] @ b2).mul_(gradients[0][rows])
            torch.mm(product, b1.T, out=of_a1[rows])
            of_b1.addmm_(a1[rows].T, product)
            product = torch.mm(a1[rows], b1, out=product).mul_(gradients[0][rows])
            torch.mm(product, b2.T, out=of_a2[rows])
            of_b2.addmm_(a2[rows].T, product)
        return None, *(factor.mul_(ctx.strength) for factor in sums), None


def pieces(weight: Tensor) -> Iterator[slice]:
    """Rows that are built at a time: all of them, except on a CPU."""
    rows, columns = weight.shape
    step = max(1, BUILT_NUMBERS // columns) if weight.device.type == "cpu" else rows
    return (slice(first, first + step) for first in range(0, rows, step))
