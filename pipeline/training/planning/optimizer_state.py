"""What an optimiser keeps for a weight, seen by letting it take a step."""

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from pipeline.bases.registry import family
from pipeline.device import best_device
from pipeline.schemas import Config, OptimizerConfig
from pipeline.training.optimizers import make_optimizer, set_averaging

SIDE = 256
"""Of the weight tried: sums by row and column (Adafactor) are less than a hundredth of it."""
_EIGHT_BIT_MOMENTS = 2.03
"""Bytes of two moments of 8 bits, with a scale for each 256 of them."""
_ADAMW_MOMENTS = 2
"""Assumed of a class that cannot be tried so."""


def state_bytes(config: Config, dtype: torch.dtype) -> float:
    """Bytes for each weight of this type."""
    settings = config.optimizer
    if settings.name == "adamw8bit":
        if has_eight_bits():
            return _EIGHT_BIT_MOMENTS
        settings = settings.model_copy(update={"name": "adamw"})  # as the run does, with a warning
    return _tried(settings.model_dump_json(), dtype)


def has_eight_bits() -> bool:
    """Whether bitsandbytes works here. A plan made on a CPU is for another device, taken to have it."""
    kind = best_device().type
    return kind == "cpu" or (kind == "cuda" and find_spec("bitsandbytes") is not None)


@cache
def _tried(settings: str, dtype: torch.dtype) -> float:
    config = OptimizerConfig.model_validate_json(settings)
    weight = nn.Parameter(torch.ones((SIDE, SIDE), dtype=dtype))  # Prodigy keeps less of zeros
    optimizer = make_optimizer(config, {family("sd1").denoiser: [weight]})
    set_averaging([optimizer], False)
    weight.grad = torch.ones_like(weight)
    try:
        optimizer.step()
    except (TypeError, ValueError, RuntimeError):  # a class that needs more than gradients
        return _ADAMW_MOMENTS * float(dtype.itemsize)
    kept = {
        each.untyped_storage().data_ptr(): each.untyped_storage().nbytes()
        for each in tree_leaves([dict(optimizer.state[weight])])
        if isinstance(each, Tensor)
    }
    return sum(kept.values()) / weight.numel()
