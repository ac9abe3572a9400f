"""Methods that treat each number separately, so a tensor may be merged in pieces. float32 in, float32 out.

`alpha` and `beta` are the fractions of B and C, as in AUTOMATIC1111 (modules/extras.py): 0 is A. (ComfyUI's
ratio is the fraction of the first model.)
"""

import torch
from torch import Tensor

TRAIN_DIFFERENCE_GAIN = 1.8


def weighted_sum(a: Tensor, b: Tensor, *, alpha: float) -> Tensor:
    """(1 - alpha) A + alpha B (AUTOMATIC1111 modules/extras.py, weighted_sum). Exact at both ends, and where
    A equals B.
    """
    return torch.lerp(a, b, alpha)


def add_difference(a: Tensor, b: Tensor, c: Tensor, *, alpha: float) -> Tensor:
    """A + alpha (B - C) (AUTOMATIC1111 modules/extras.py, add_difference)."""
    return torch.add(a, b - c, alpha=alpha)


def triple_sum(a: Tensor, b: Tensor, c: Tensor, *, alpha: float, beta: float) -> Tensor:
    """(1 - alpha - beta) A + alpha B + beta C (hako-mikan/sd-webui-supermerger, "Triple sum")."""
    return torch.add(a, b - a, alpha=alpha).add_(c - a, alpha=beta)


def sum_twice(a: Tensor, b: Tensor, c: Tensor, *, alpha: float, beta: float) -> Tensor:
    """(1 - beta) ((1 - alpha) A + alpha B) + beta C (hako-mikan/sd-webui-supermerger, "sum Twice")."""
    return torch.lerp(torch.lerp(a, b, alpha), c, beta)


def train_difference(a: Tensor, b: Tensor, c: Tensor, *, alpha: float) -> Tensor:
    """A + 1.8 alpha (B - C) |B - A| / (|B - C| + |B - A|), A where both distances are 0
    (hako-mikan/sd-webui-supermerger scripts/mergers/mergers.py, "trainDifference").

    Adds what B learned over C where A has not learned it yet.
    """
    learned, missing = b - c, (b - a).abs()
    total = learned.abs() + missing
    fraction = torch.where(total > 0, missing / total, 0.0)
    return torch.add(a, learned * fraction, alpha=TRAIN_DIFFERENCE_GAIN * alpha)
