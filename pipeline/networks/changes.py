"""The change of one module's weight, from a file's tensors alone, without a base: what inspection needs.

Formulas: kohya-ss/sd-scripts networks/lora.py, KohakuBlueleaf/LyCORIS lycoris/functional. Scale: alpha / dim.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def dim_of(weights: Weights) -> str:
    """Rank of one module; LoKr's blocks may be full."""
    for leaf in ("lora_down.weight", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
        if leaf in weights:
            return str(weights[leaf].shape[0])
    return "full"


def change_of(weights: Weights) -> Tensor | None:
    """The change of one module's weight at strength 1, in any shape with its elements; None where it depends
    on the base's weight.
    """
    w = {leaf: tensor.float() for leaf, tensor in weights.items()}
    if "dora_scale" in w or "on_input" in w:
        return None
    if "diff" in w:
        return w["diff"]
    scale = float(w["alpha"]) / int(dim_of(w)) if "alpha" in w and dim_of(w) != "full" else 1.0
    if "hada_w1_a" in w:
        return scale * _hada(w, "1") * _hada(w, "2")
    if "lokr_w1" in w or "lokr_w1_a" in w:
        # |kron(a, b)| is |a| |b|: the outer product holds the same numbers.
        return scale * torch.outer(_kron_part(w, "1").flatten(), _kron_part(w, "2").flatten())
    if "lora_up.weight" in w:
        down, up = w["lora_down.weight"], w["lora_up.weight"].flatten(1)
        if "lora_mid.weight" in w:
            down = torch.einsum("abhw,bi->aihw", w["lora_mid.weight"], down.flatten(1))
        return scale * (up @ down.flatten(1))
    return None


def _hada(w: Weights, number: str) -> Tensor:
    """One of LoHa's two low-rank products: [out, in k k]."""
    a, b = w[f"hada_w{number}_a"], w[f"hada_w{number}_b"]
    return _tucker(w[f"hada_t{number}"], a, b) if f"hada_t{number}" in w else a @ b


def _kron_part(w: Weights, number: str) -> Tensor:
    """One of LoKr's two factors, whole."""
    if f"lokr_w{number}" in w:
        return w[f"lokr_w{number}"]
    a, b = w[f"lokr_w{number}_a"], w[f"lokr_w{number}_b"]
    return _tucker(w["lokr_t2"], a, b) if number == "2" and "lokr_t2" in w else a @ b.flatten(1)


def _tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """core [r, r, k, k], a [r, out], b [r, in] -> [out, in k k]."""
    return torch.einsum("ijkl,ip,jq->pqkl", core, a, b).flatten(1)
