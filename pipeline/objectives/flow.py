"""Rectified flow (Liu et al. 2022, arXiv 2209.03003; Esser et al. 2024, arXiv 2403.03206).

    x_sigma = (1 - sigma) x_0 + sigma noise        the denoiser predicts noise - x_0

sigma runs from 0 (clean) to 1 (noise). Draws a fraction u (levels.py), 0 is clean, and then shifts it.
diffusers' training scripts draw from a falling and already shifted schedule: their u is 1 - u here, their
`logit_mean` has the opposite sign, and the shift of 3 is built in.

Shapes: latents and noise [batch, channels, h, w]; levels are 1000 sigma [batch].
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Generator, Tensor

from pipeline.objectives.flow_levels import shifted
from pipeline.objectives.levels import NUM_LEVELS, draw_fractions
from pipeline.objectives.objective import Objective
from pipeline.schemas import NoiseConfig

USUAL_SIDE = 128
"""Latent pixels of a side of the pictures that shifts are stated for."""


class Flow(Objective):
    """shift: `noise.flow_shift`, or the base's own; above 1 means more noise, as larger pictures need."""

    name = "flow"
    predictions = ("flow",)

    def __init__(self, shift: float, config: NoiseConfig) -> None:
        super().__init__(config, "flow")
        self.shift = config.flow_shift or shift

    @classmethod
    def of(cls, scheduler: Mapping[str, Any], config: NoiseConfig) -> Self:
        return cls(scheduler.get("shift", 1.0), config)

    @property
    def modelspec_prediction(self) -> None:
        return None

    def draw_levels(self, num: int, generator: Generator) -> Tensor:
        return self._drawn(num, generator, self.shift)

    def levels_of(self, latents: Tensor, generator: Generator) -> Tensor:
        """With `noise.flow_shift_by_area`, shifted for the latents' area (Esser et al. 2024, equation 23)."""
        height, width = latents.shape[-2:]
        factor = shift_of_area(height * width) if self.config.flow_shift_by_area else 1.0
        return self._drawn(len(latents), generator, self.shift * factor)

    def _drawn(self, num: int, generator: Generator, shift: float) -> Tensor:
        return NUM_LEVELS * shifted(draw_fractions(num, self.config, generator), shift)

    def validation_levels(self, timesteps: Sequence[int]) -> Tensor:
        return super().validation_levels(timesteps).float()

    def noisy(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        sigma = (levels / NUM_LEVELS).view(-1, 1, 1, 1)
        return (1 - sigma) * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:  # noqa: ARG002
        return noise - latents

    def sigma(self, levels: Tensor) -> Tensor:
        return levels / (NUM_LEVELS - levels)

    def weights(self, levels: Tensor) -> Tensor | None:
        kind = self.config.flow_weighting
        return WEIGHTS[kind](levels / NUM_LEVELS) if kind else None

    def clean(self, noisy: Tensor, velocity: Tensor, levels: Tensor) -> Tensor:
        """x_0 from the predicted velocity."""
        return noisy - (levels / NUM_LEVELS).view(-1, 1, 1, 1) * velocity


def shift_of_area(cells: int) -> float:
    """sqrt(area / area of 1024 x 1024 pixels), in latent pixels."""
    return math.sqrt(cells) / USUAL_SIDE


def sigma_sqrt_weight(sigma: Tensor) -> Tensor:
    """1 / sigma^2."""
    return sigma**-2.0


def clean_weight(sigma: Tensor) -> Tensor:
    """sigma^2: errors of the clean latents, x_0 = x_sigma - sigma v (`precondition_outputs` in diffusers)."""
    return sigma**2


def cosmap_weight(sigma: Tensor) -> Tensor:
    """2 / (pi (1 - 2 sigma + 2 sigma^2))."""
    return 2 / (math.pi * (1 - 2 * sigma + 2 * sigma**2))


WEIGHTS = {"sigma_sqrt": sigma_sqrt_weight, "cosmap": cosmap_weight, "clean": clean_weight}
"""By `noise.flow_weighting`."""
