"""What a denoiser learns, as training and validation ask for it.

    latents, noise, level --> noisy latents --> denoiser --> answer        loss: answer - target, weighed

Shapes: latents, noise, target and answer [batch, channels, h, w]; levels [batch], as the denoiser reads them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from pipeline.config.schemas import Noise
from pipeline.config.schemas.samplers import SAMPLERS_OF
from pipeline.errors import UserError
from pipeline.objectives.levels import NUM_LEVELS
from pipeline.objectives.losses import huber_c, is_bent, point_losses
from pipeline.objectives.noise import make_noise, perturbed


@dataclass(frozen=True)
class NoisyBatch:
    """Latents of a step, the noise drawn for them, their levels, and what the denoiser sees."""

    latents: Tensor
    noise: Tensor
    levels: Tensor
    noisy: Tensor

    def rows(self, rows: slice) -> "NoisyBatch":
        return NoisyBatch(self.latents[rows], self.noise[rows], self.levels[rows], self.noisy[rows])


class Objective(nn.Module, ABC):
    """A module, so that its tables move to the device with the training's. It has no weights."""

    name: ClassVar[str]
    """Its file in this package."""
    predictions: ClassVar[Sequence[str]]
    """What its denoisers may answer."""

    num_levels: int = NUM_LEVELS
    """Of which `noise.huber_schedule: exponential` counts."""

    def __init__(self, config: Noise, prediction: str) -> None:
        super().__init__()
        self.config, self.prediction = config, prediction
        check_prediction(config, prediction, self.predictions)

    @classmethod
    @abstractmethod
    def of(cls, scheduler: Mapping[str, Any], config: Noise) -> Self:
        """For a base, by its scheduler's configuration. Settings that do not fit the base are a user
        error.
        """

    @property
    @abstractmethod
    def modelspec_prediction(self) -> str | None:
        """What a network's header says of it; None: nothing."""

    @property
    def samplers(self) -> frozenset[str]:
        """Names of the samplers that can draw with such a denoiser."""
        return SAMPLERS_OF[self.name]

    def draw(self, latents: Tensor, generator: Generator) -> NoisyBatch:
        """All that a step leaves to chance, always in this order: noise, levels, perturbation."""
        noise = make_noise(latents, self.config, generator)
        levels = self.draw_levels(len(latents), generator).to(latents.device, non_blocking=True)
        noisy = self.noisy(latents, perturbed(noise, self.config, generator), levels)
        return NoisyBatch(latents, noise, levels, noisy)

    @abstractmethod
    def draw_levels(self, num: int, generator: Generator) -> Tensor:
        """[num] levels, on the CPU."""

    def validation_levels(self, timesteps: Sequence[int]) -> Tensor:
        """The levels of `validation.timesteps`, which count from 0 to 999."""
        return torch.tensor(timesteps)

    @abstractmethod
    def noisy(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """Latents with the noise of their levels."""

    @abstractmethod
    def target(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """What the denoiser should answer."""

    @abstractmethod
    def sigma(self, levels: Tensor) -> Tensor:
        """[batch] the noise over the picture: 0 clean, without bound towards pure noise."""

    @abstractmethod
    def weights(self, levels: Tensor) -> Tensor | None:
        """[batch] by which errors count; None where all count alike."""

    def point_losses(self, answer: Tensor, target: Tensor, levels: Tensor) -> Tensor:
        """[batch, channels, h, w] how far the answer is off, as `noise.loss` counts it."""
        bend = None
        if is_bent(self.config):
            bend = huber_c(levels, self.num_levels, self.sigma(levels), self.config)
        return point_losses(answer, target, bend, self.config)


ONLY_WITH = {
    "zero_terminal_snr": ("v_prediction",),
    "min_snr_gamma": ("epsilon", "v_prediction"),
    "debiased": ("epsilon", "v_prediction"),
    "scale_v_prediction": ("v_prediction",),
    "v_prediction_like": ("epsilon",),
}
"""What the base must predict for a setting of the group noise."""


def check_prediction(config: Noise, prediction: str, allowed: Sequence[str]) -> None:
    """A base that predicts something else, and settings that do not go with what it predicts, are a user
    error.
    """
    if prediction not in allowed:
        raise UserError(
            f"the base at base.path predicts {prediction}, which cannot be trained here; use one that"
            f" predicts {' or '.join(allowed)}"
        )
    if problems := [
        f"noise.{name} requires a base that predicts {' or '.join(fitting)}, but the one at base.path"
        f" predicts {prediction}; leave noise.{name} off, or use another base"
        for name, fitting in ONLY_WITH.items()
        if getattr(config, name) and prediction not in fitting
    ]:
        raise UserError(*problems)
