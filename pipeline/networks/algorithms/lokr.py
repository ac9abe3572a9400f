"""LoKr: a Kronecker product as the update (KronA, Edalati et al. 2022, arXiv 2212.10650;
KohakuBlueleaf/LyCORIS lycoris/modules/lokr.py).

    change = (alpha / dim) W1 (x) W2      W1 [p, m], W2 [k, n, kernel]; out = p k, in = m n

The sides are split by `factor` (-1: as square as possible). W2 = A2 B2 of rank dim, or full where dim is half
its larger side or more; W1 is full, or A1 B1 with `decompose_both`. With both full the scale is 1. W1 starts
at Kaiming-uniform, W2 (or B2) at zero. In Tucker form, W2 has a core T [dim, dim, kernel] between A2 [dim, k]
and B2 [dim, n]. File keys: `<module>.lokr_w1` or `lokr_w1_a`, `lokr_w1_b`; `lokr_w2` or `lokr_w2_a`,
`lokr_w2_b` (and `lokr_t2`); `alpha`.

The full weight is not built in training, except for narrow layers: (W1 (x) W2) vec(X) = vec(W1 X W2^T), where
X is the input as [m, n].
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.adapter import Adapter, AdapterSettings, has_kernel

LeafShapes = dict[str, tuple[int, ...]]
LOKR_LEAVES = [
    {*left, *right}
    for left in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
    for right in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"), ("lokr_w2_a", "lokr_w2_b", "lokr_t2"))
]
"""Leaves of a complete module."""


class Lokr(Adapter):
    """The update of one linear layer or convolution; `shapes`: of its weights by name."""

    marks = ("lokr_w1", "lokr_w1_a")
    from_zero = ("lokr_w2", "lokr_w2_b")
    lokr_w1: nn.Parameter
    lokr_w1_a: nn.Parameter
    lokr_w1_b: nn.Parameter
    lokr_w2: nn.Parameter
    lokr_w2_a: nn.Parameter
    lokr_w2_b: nn.Parameter
    lokr_t2: nn.Parameter

    def __init__(self, target: nn.Module, shapes: LeafShapes, alpha: float | None) -> None:
        """`alpha` None: alpha = dim."""
        super().__init__(target)
        for name, shape in shapes.items():
            start = torch.zeros(shape)
            if name not in self.from_zero:
                nn.init.kaiming_uniform_(start, a=math.sqrt(5))
            self.register_parameter(name, nn.Parameter(start))
        ranks = [shapes[name][0] for name in ("lokr_w1_b", "lokr_w2_b") if name in shapes]
        alpha = alpha or (ranks[0] if ranks else 1)
        self.scale = alpha / ranks[0] if ranks else 1.0
        self.register_buffer("alpha", torch.tensor(float(alpha)))

    @classmethod
    def from_config(cls, target: nn.Module, settings: AdapterSettings) -> Adapter:
        shapes = chosen_shapes(target, settings)
        full = not any(name.endswith("_b") for name in shapes)
        return cls(target, shapes, settings.dim if full else settings.alpha)

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        leaves = {name: weight for name, weight in weights.items() if name.startswith("lokr_")}
        leaves = fitting(leaves, tuple(target.get_parameter("weight").shape))
        alpha = float(weights["alpha"]) if "alpha" in weights else None
        shapes = {name: tuple(weight.shape) for name, weight in leaves.items()}
        return cls(target, shapes, alpha).filled({**weights, **leaves})

    def update(self, x: Tensor) -> Tensor:
        left = self._left() * (self.network_weight * self.scale)
        columns = left.shape[1]
        if isinstance(self.layer, nn.Linear):
            inner = self._right_times(x.reshape(*x.shape[:-1], columns, -1))
            return self.thinned((left @ inner).flatten(-2), self.rank_dropout)
        inner = self._right_times(x.reshape(len(x) * columns, -1, *x.shape[2:]))
        product = left @ inner.reshape(len(x), columns, -1)
        return self.thinned(product.reshape(len(x), -1, *inner.shape[2:]), self.rank_dropout)

    def in_one(self, x: Tensor) -> bool:  # noqa: ARG002
        """Whether W + change is faster than the two small matrices. Their multiplications count nine times:
        three passes, at a third of the speed (measured on a CPU: equal at 320 x 320).
        """
        out, inside, *kernel = self.layer.weight.shape
        (rows, columns), area = self._left().shape, math.prod(kernel)
        return out * inside * area < 9 * (inside * area + rows * columns) * (out // rows)

    def _right_times(self, x: Tensor) -> Tensor:
        """W2 applied to its part of the input: [..., n] -> [..., k], or [*, n, h, w] -> [*, k, h', w']."""
        if hasattr(self, "lokr_w2"):
            return self.applied(x, self.lokr_w2)
        first, last = self.lokr_w2_b, self.lokr_w2_a
        if isinstance(self.layer, nn.Linear):
            return F.linear(F.linear(x, first), last)
        if hasattr(self, "lokr_t2"):
            hidden = self.applied(F.conv2d(x, first[:, :, None, None]), self.lokr_t2)
            return F.conv2d(hidden, last.T[:, :, None, None])
        kernel = self.layer.weight.shape[2:]
        return F.conv2d(self.applied(x, first.reshape(len(first), -1, *kernel)), last[:, :, None, None])

    def _left(self) -> Tensor:
        return self.lokr_w1 if hasattr(self, "lokr_w1") else self.lokr_w1_a @ self.lokr_w1_b

    def _right(self) -> Tensor:
        """W2, flattened after its first axis."""
        if hasattr(self, "lokr_w2"):
            return self.lokr_w2.flatten(1)
        if hasattr(self, "lokr_t2"):
            core = torch.einsum("ijxy,ik,jn->knxy", self.lokr_t2, self.lokr_w2_a, self.lokr_w2_b)
            return core.flatten(1)
        return self.lokr_w2_a @ self.lokr_w2_b

    def change(self) -> Tensor:
        return torch.kron(self._left() * self.scale, self._right()).reshape(self.layer.weight.shape)

    @torch.no_grad()
    def shrink(self, ratio: Tensor) -> None:
        self.get_parameter("lokr_w1" if hasattr(self, "lokr_w1") else "lokr_w1_a").mul_(ratio)


def fitting(leaves: Mapping[str, Tensor], layer: tuple[int, ...]) -> dict[str, Tensor]:
    """A file's leaves, W2 with the layer's kernel and other factors flat. Raises RuntimeError if their
    product does not have the weight's shape.
    """
    if leaves.keys() not in LOKR_LEAVES:
        raise RuntimeError(f"{', '.join(sorted(leaves))} are not two complete factors")
    out, inside, *kernel = layer
    area = math.prod(kernel)
    flat = {name: leaf if name == "lokr_t2" else leaf.flatten(1) for name, leaf in leaves.items()}
    (p, m), (k, n) = _sides(flat, "lokr_w1"), _core_sides(flat, kernel)
    if (p * k, m * n) != (out, inside * area) or n % area:
        raise RuntimeError(f"LoKr's factors {p} x {m} and {k} x {n} give no weight of {list(layer)}")
    if "lokr_w2" in flat:
        flat["lokr_w2"] = flat["lokr_w2"].reshape(k, -1, *kernel)
    return flat


def _sides(flat: Mapping[str, Tensor], name: str) -> tuple[int, int]:
    if name in flat:
        return flat[name].shape[0], flat[name].shape[1]
    left, right = flat[f"{name}_a"], flat[f"{name}_b"]
    if left.shape[1] != len(right):
        raise RuntimeError(f"{name}_a is {list(left.shape)}, {name}_b {list(right.shape)}")
    return len(left), right.shape[1]


def _core_sides(flat: Mapping[str, Tensor], kernel: Sequence[int]) -> tuple[int, int]:
    """W2's sides, with a core or without."""
    if "lokr_t2" not in flat:
        return _sides(flat, "lokr_w2")
    core, left, right = flat["lokr_t2"], flat["lokr_w2_a"], flat["lokr_w2_b"]
    if not kernel or tuple(core.shape) != (len(left), len(right), *kernel):
        raise RuntimeError(f"lokr_t2 is {list(core.shape)} between ranks {len(left)} and {len(right)}")
    return left.shape[1], right.shape[1] * math.prod(kernel)


def chosen_shapes(target: nn.Module, settings: AdapterSettings) -> LeafShapes:
    """Names and shapes of a new adapter's weights: full ones, and products of rank dim."""
    config, dim = settings.config, settings.dim
    assert isinstance(target, nn.Linear | nn.Conv2d)
    out, inside, *kernel = target.weight.shape
    (p, k), (m, n) = factorization(out, config.factor), factorization(inside, config.factor)
    small = config.decompose_both and dim < max(p, m) / 2 and not config.full_matrix
    left: LeafShapes = {"lokr_w1_a": (p, dim), "lokr_w1_b": (dim, m)} if small else {"lokr_w1": (p, m)}
    if dim >= max(k, n) / 2 or config.full_matrix:
        return left | {"lokr_w2": (k, n, *kernel)}
    if config.tucker and has_kernel(target):
        return left | {"lokr_t2": (dim, dim, *kernel), "lokr_w2_a": (dim, k), "lokr_w2_b": (dim, n)}
    return left | {"lokr_w2_a": (k, dim), "lokr_w2_b": (dim, n * math.prod(kernel))}


def factorization(side: int, factor: int) -> tuple[int, int]:
    """Two factors of `side`, the smaller first: `factor` and the rest if it divides, else the largest
    divisor up to it; -1: as square as possible.

    >>> factorization(320, -1), factorization(320, 8), factorization(250, 4)
    ((16, 20), (8, 40), (2, 125))
    """
    if factor > 0 and side % factor == 0:
        return min(factor, side // factor), max(factor, side // factor)
    limit = math.isqrt(side) if factor < 0 else min(factor, math.isqrt(side))
    small = next(number for number in range(limit, 0, -1) if side % number == 0)
    return small, side // small
