"""Any adapter as a plain LoRA: for each layer the best change of rank dim (low_rank.py). Its squared error is
the sum of the squares of the omitted singular values.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.finite import insist_on_finite_change
from pipeline.networks.low_rank import singular
from pipeline.networks.network import AdapterNetwork


@dataclass(frozen=True)
class Reduced:
    """A LoRA's tensors; the error relative to the change's norm, for all layers together and for the worst;
    changes of norms and biases, which do not fit into a LoRA.
    """

    tensors: dict[str, Tensor]
    error: float
    worst: tuple[str, float]
    left_out: list[str]


@torch.no_grad()
def reduced(network: AdapterNetwork, dim: int, path: Path | str = "the network") -> Reduced:
    """Every layer at rank `dim`, or its own full rank if that is lower; alpha = dim, so the scale is 1."""
    tensors: dict[str, Tensor] = {}
    errors: dict[str, tuple[float, float]] = {}
    left_out = []
    for name, adapter in network.adapters():
        left_out += [f"{name} (bias)"] if adapter.bias_change is not None else []
        change = adapter.delta(adapter.layer.weight.float())
        insist_on_finite_change(path, name, change)
        if change.dim() == 1:
            left_out.append(name)
            continue
        down, up, lost = best_of_rank(change, dim)
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        tensors[f"{name}.alpha"] = torch.tensor(float(len(down)))
        errors[name] = (lost, float(change.norm()))
    if not tensors:
        raise UserError("the network changes only norms and biases, which do not fit into a LoRA")
    by_layer = {name: lost / norm if norm else 0.0 for name, (lost, norm) in errors.items()}
    worst = max(by_layer, key=by_layer.__getitem__)
    lost, whole = (math.hypot(*column) for column in zip(*errors.values(), strict=True))
    return Reduced(tensors, lost / whole if whole else 0.0, (worst, by_layer[worst]), left_out)


def best_of_rank(change: Tensor, dim: int) -> tuple[Tensor, Tensor, float]:
    """(A, B, norm of the error) of a change [out, in] or [out, in, k, k]; A has the kernel."""
    whole = singular(change.flatten(1))
    up, down = whole.factors(dim)
    if change.dim() == 4:
        down, up = down.reshape(-1, *change.shape[1:]), up[:, :, None, None]
    return down.contiguous(), up.contiguous(), float(whole.s[dim:].norm())
