"""The change of one module's weight, from a file's tensors alone, without a base; for inspection."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.files.finite import insist_on_finite_change
from pipeline.networks.algorithms import reader_of
from pipeline.networks.foreign.difference import Difference

LayerWeights = Mapping[str, Tensor]


def dim_of(weights: LayerWeights) -> str:
    """Rank of one module; blocks of LoKr may be full."""
    for leaf in ("lora_down.weight", "hada_w1_b", "lokr_w2_b", "lokr_w1_b", "a2.weight"):
        if leaf in weights:
            return str(weights[leaf].shape[0])
    return "full"


@torch.no_grad()
def change_of(weights: LayerWeights) -> Tensor | None:
    """The change at network weight 1, in the weight's shape or with its kernel flat; None if it depends on
    the base's weight (DoRA, IA3, OFT, GLoRA), the algorithm is unknown, or only a bias changes.
    """
    reader = reader_of(weights)
    if reader is None or reader.of_base or "dora_scale" in weights:
        return None
    if reader is Difference:
        return next((weights[leaf].float() for leaf in ("diff", "w_norm") if leaf in weights), None)
    return reader.from_weights(_layer(weights), weights).change()


def insist_on_whole_changes(modules: Mapping[str, LayerWeights], path: Path) -> None:
    """Raises UserError for modules with factors that do not fit together, or with a product that
    overflows.
    """
    for module, weights in modules.items():
        try:
            change = change_of(weights)
        except (LookupError, RuntimeError, AssertionError, AttributeError, ValueError) as error:
            raise UserError(
                f"{path}: the tensors of {module} do not fit together"
                f" ({' '.join(str(error).split())[:200]}); the file is damaged: fetch it again"
            ) from error
        if change is not None:
            insist_on_finite_change(path, module, change)


def _layer(w: LayerWeights) -> nn.Module:
    """A layer whose weight has the change's shape, without numbers."""
    if "lora_up.weight" in w:
        inner = w["lora_down.weight"].shape[1]
        core = w.get("lora_mid.weight", w["lora_down.weight"])
        return _of_shape(w["lora_up.weight"].shape[0], inner, core.shape[2:])
    if "hada_t1" in w:
        return _of_shape(w["hada_w1_a"].shape[1], w["hada_w1_b"].shape[1], w["hada_t1"].shape[2:])
    if "hada_w1_a" in w:
        return _of_shape(w["hada_w1_a"].shape[0], w["hada_w1_b"].shape[1], ())
    p, m = w["lokr_w1"].shape if "lokr_w1" in w else (w["lokr_w1_a"].shape[0], w["lokr_w1_b"].shape[1])
    if "lokr_w2" in w:
        k, n, *kernel = w["lokr_w2"].shape
    elif "lokr_t2" in w:
        k, n, *kernel = w["lokr_w2_a"].shape[1], w["lokr_w2_b"].shape[1], *w["lokr_t2"].shape[2:]
    else:
        k, n, *kernel = w["lokr_w2_a"].shape[0], w["lokr_w2_b"].shape[1]
    return _of_shape(p * k, m * n, kernel)


def _of_shape(out: int, inside: int, kernel: tuple[int, ...] | list[int]) -> nn.Module:
    if not kernel:
        return nn.Linear(inside, out, bias=False, device="meta")
    return nn.Conv2d(inside, out, (kernel[0], kernel[1]), bias=False, device="meta")
