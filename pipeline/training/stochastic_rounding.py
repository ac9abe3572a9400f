"""Rounds float32 to bfloat16 up or down at random, so that the mean over many roundings is exact.

    bits of x + r, the lower 16 cut off      r: 16 random bits

x between two neighbours a < b in bf16 becomes b with probability (x - a) / (b - a). A change that is smaller
than half the distance of neighbours is lost when rounded to the nearest, in every step anew; here it survives
on average.
"""

import torch
from torch import Tensor

from pipeline.seeds import folded

LOWER_BITS = 16
WEIGHTS_A_STEP = 1_000_003
"""A prime above the number of weights of any network: no two (step, weight) share their random bits."""


def rounded(value: Tensor, generator: torch.Generator) -> Tensor:
    """[...] float32 -> bfloat16. A number that bf16 has stays; NaN and infinity stay."""
    random = torch.randint(
        1 << LOWER_BITS, value.shape, generator=generator, device=value.device, dtype=torch.int32
    )
    bits = (value.contiguous().view(torch.int32) + random) & -(1 << LOWER_BITS)
    return torch.where(value.isfinite(), bits.view(torch.float32), value).to(torch.bfloat16)


class Rounding:
    """The random bits of a run: they follow from the seed, the step and the weight's number alone."""

    def __init__(self) -> None:
        self.step_seed = 0

    def generator(self, number: int, device: torch.device) -> torch.Generator:
        """For the weight of this number in the current step."""
        seed = folded(self.step_seed * WEIGHTS_A_STEP + number)
        return torch.Generator(device).manual_seed(seed)
