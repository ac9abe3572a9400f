"""Samplers of rectified flows: Euler and Heun on shifted levels (Esser et al. 2024, arXiv 2403.03206).

x <- x + (sigma_next - sigma) v        v: what the denoiser answers
heun: v is the mean of the answers at both ends of the step; the last step is Euler's
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from pipeline.bases.base import Base
from pipeline.bases.latents import Latents
from pipeline.bases.prediction import FLOW
from pipeline.drawing.samplers import Sampler
from pipeline.objectives.flow_levels import sigmas
from pipeline.objectives.levels import NUM_LEVELS
from pipeline.schemas.samplers import FLOW_ORDERS


class FlowSampler:
    """The steps of one drawing, without those before `first_step`; used like `Sampler`."""

    def __init__(
        self,
        name: str,
        scheduler_config: dict[str, Any],
        num_steps: int,
        device: torch.device,
        first_step: int,
        latents: Latents,
    ) -> None:
        self.order: int = FLOW_ORDERS[name]
        self.latents, self.device = latents, device
        self.sigmas = sigmas(num_steps, scheduler_config.get("shift", 1.0))[first_step:]
        places = [0] + [place for place in range(1, len(self.sigmas) - 1) for _ in range(self.order)]
        self.timesteps: Tensor = (NUM_LEVELS * self.sigmas[places]).to(device)
        self._step = 0
        self._first: tuple[Tensor, Tensor] | None = None
        """Of Heun's unfinished step: where it began, and the answer there."""

    def noise(self, seeds: Sequence[int], width: int, height: int) -> Tensor:
        """[pictures, channels, h, w] on the device, from the CPU, each picture's from its own seed."""
        shape = (1, *self.latents.shape(width, height))
        drawn = [torch.randn(shape, generator=Generator().manual_seed(seed)) for seed in seeds]
        return torch.cat(drawn).to(self.device)

    def start(self, noise: Tensor) -> Tensor:
        """A flow starts from pure noise."""
        return noise

    def noisy(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents with the first step's level of noise."""
        sigma = float(self.sigmas[0])
        return (1 - sigma) * latents + sigma * noise

    def scaled(self, latents: Tensor, timestep: Tensor) -> Tensor:  # noqa: ARG002
        """The denoiser reads noisy latents as they are."""
        return latents

    def step(self, predicted: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:  # noqa: ARG002
        """The latents of the next call, from the denoiser's answer."""
        here, after = (float(sigma) for sigma in self.sigmas[self._step : self._step + 2])
        if self._first is None:
            if self.order > 1 and after > 0:
                self._first = latents, predicted
            else:
                self._step += 1
            return latents + (after - here) * predicted
        start, first = self._first
        self._first, self._step = None, self._step + 1
        return start + (after - here) * (first + predicted) / 2


AnySampler = Sampler | FlowSampler


def sampler_of(base: Base, name: str, num_steps: int, first_step: int = 0) -> AnySampler:
    """The sampler of that name for the base's objective."""
    scheduler, device = base.configs["scheduler"], base.device
    if base.family.facts.objective == FLOW:
        return FlowSampler(name, scheduler, num_steps, device, first_step, base.latents)
    return Sampler(name, scheduler, num_steps, device, first_step)
