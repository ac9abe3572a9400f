"""Levels of a rectified flow: the shift, and those that a picture is drawn with. Apart from what a training
draws, so that a change of it draws no grid again.
"""

import torch
from torch import Tensor

from pipeline.objectives.levels import NUM_LEVELS


def shifted(u: Tensor, shift: float) -> Tensor:
    """sigma = s u / (1 + (s - 1) u)."""
    return shift * u / (1 + (shift - 1) * u)


def sigmas(num_steps: int, shift: float) -> Tensor:
    """[num_steps + 1] sigmas to draw a picture with, from 1 to 0.

    Even steps in shifted time from 1 to 1/1000, as in diffusers, ComfyUI's `normal` and Stability's
    reference.
    """
    first, last = (shifted(torch.tensor(u, dtype=torch.float64), shift) for u in (1.0, 1 / NUM_LEVELS))
    even = torch.linspace(float(first), float(last), num_steps, dtype=torch.float64)
    return torch.cat([shifted(even, shift), torch.zeros(1, dtype=torch.float64)]).float()
