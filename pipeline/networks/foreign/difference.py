"""Whole weights added to a layer's, also to a norm's (LyCORIS's `full` and `norm`, ComfyUI's full extraction,
and the companion file of an IA3).

    (W + D) x + (b + d)

File keys (KohakuBlueleaf/LyCORIS lycoris/modules/full.py and norms.py): `<module>.diff` (D), `diff_b` (d);
for a norm `w_norm`, `b_norm`, or also `diff`, `diff_b`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.adapter import Adapter

NORMS = (nn.GroupNorm, nn.LayerNorm)


class Difference(Adapter):
    """The change of one layer; D may be missing if only a bias changes."""

    marks = ("diff", "w_norm", "b_norm", "diff_b")
    diff: nn.Parameter | None

    @classmethod
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        if isinstance(target, NORMS):
            return Norm(target, weights).filled(weights)
        made = cls(target)
        if "diff" in weights:
            made.diff = nn.Parameter(torch.zeros(made.layer.weight.shape))
        return made.filled(
            {leaf: tensor.reshape(made.diff.shape) if leaf == "diff" and made.diff is not None else tensor
             for leaf, tensor in weights.items()}
        )  # fmt: skip

    def __init__(self, target: nn.Module) -> None:
        super().__init__(target)
        self.register_parameter("diff", None)

    def update(self, x: Tensor) -> Tensor:
        return self.applied(x, self.network_weight * self.change())

    def change(self) -> Tensor:
        return torch.zeros_like(self.layer.weight) if self.diff is None else self.diff


class Norm(Adapter):
    """The change of a group norm or a layer norm, under the file's leaves."""

    def __init__(self, target: nn.Module, weights: Mapping[str, Tensor]) -> None:
        super().__init__(target)
        width = self.layer.weight.shape
        for leaf in weights.keys() & {"diff", "w_norm", "b_norm"}:
            self.register_parameter(leaf, nn.Parameter(torch.zeros(width)))

    @property
    def bias_change(self) -> Tensor | None:
        return self._parameters.get("b_norm", self.diff_b)

    def change(self) -> Tensor:
        weight_change = self._parameters.get("w_norm", self._parameters.get("diff"))
        return torch.zeros_like(self.layer.weight) if weight_change is None else weight_change

    def update(self, x: Tensor) -> Tensor:
        layer: nn.Module = self.layer
        change = self.network_weight * self.change()
        if isinstance(layer, nn.GroupNorm):
            return F.group_norm(x, layer.num_groups, change, None, layer.eps)
        assert isinstance(layer, nn.LayerNorm)
        return F.layer_norm(x, layer.normalized_shape, change, None, layer.eps)
