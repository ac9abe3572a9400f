"""The interface of objectives, for training and validation.

    latents, noise, level --> noisy latents --> denoiser --> answer        loss: answer - target, weighed

Shapes: latents, noise, target and answer [batch, channels, h, w]; levels [batch], in the denoiser's scale.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from pipeline.errors import UserError
from pipeline.objectives.levels import NUM_LEVELS
from pipeline.objectives.losses import huber_c, is_bent, point_losses
from pipeline.objectives.noise import make_noise, perturbed
from pipeline.schemas import NoiseConfig
from pipeline.schemas.samplers import SAMPLERS_OF


@dataclass(frozen=True)
class NoisyBatch:
    """A step's latents, their noise and levels, and the denoiser's input."""

    latents: Tensor
    noise: Tensor
    levels: Tensor
    noisy: Tensor

    def rows(self, rows: slice) -> "NoisyBatch":
        return NoisyBatch(self.latents[rows], self.noise[rows], self.levels[rows], self.noisy[rows])


class Objective(nn.Module, ABC):
    """A module without weights, so that its tables move between devices with the training module."""

    name: ClassVar[str]
    """The name of its file in this package."""
    predictions: ClassVar[Sequence[str]]
    """What its denoisers may predict."""

    num_levels: int = NUM_LEVELS
    """The number of levels in `noise.huber_schedule: exponential`."""

    def __init__(self, config: NoiseConfig, prediction: str) -> None:
        super().__init__()
        self.config, self.prediction = config, prediction
        check_prediction(config, prediction, self.predictions)

    @classmethod
    @abstractmethod
    def of(cls, scheduler: Mapping[str, Any], config: NoiseConfig) -> Self:
        """The objective of a base with this scheduler configuration. Raises UserError if settings do not fit
        the base.
        """

    @property
    @abstractmethod
    def modelspec_prediction(self) -> str | None:
        """modelspec.prediction_type of a network's header; None: omitted."""

    @property
    def has_zero_snr(self) -> bool:
        """Whether the last level is pure noise because the schedule was rescaled to zero terminal SNR."""
        return False

    @property
    def samplers(self) -> frozenset[str]:
        """Names of the samplers that work with this objective."""
        return SAMPLERS_OF[self.name]

    def draw(self, latents: Tensor, generator: Generator) -> NoisyBatch:
        """Draws all random numbers of a step, always in this order: noise, levels, perturbation."""
        noise = make_noise(latents, self.config, generator)
        levels = self.levels_of(latents, generator).to(latents.device, non_blocking=True)
        noisy = self.noisy(latents, perturbed(noise, self.config, generator), levels)
        return NoisyBatch(latents, noise, levels, noisy)

    def levels_of(self, latents: Tensor, generator: Generator) -> Tensor:
        """[batch] levels for these latents, on the CPU."""
        return self.draw_levels(len(latents), generator)

    @abstractmethod
    def draw_levels(self, num: int, generator: Generator) -> Tensor:
        """[num] levels, on the CPU."""

    def validation_levels(self, timesteps: Sequence[int]) -> Tensor:
        """The levels for `validation.timesteps`, which are in 0..999."""
        return torch.tensor(timesteps)

    @abstractmethod
    def noisy(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """Latents with noise added by level."""

    @abstractmethod
    def target(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """What the denoiser should predict."""

    @abstractmethod
    def sigma(self, levels: Tensor) -> Tensor:
        """[batch] noise over signal: 0 is clean, infinity is pure noise."""

    @abstractmethod
    def weights(self, levels: Tensor) -> Tensor | None:
        """[batch] weights of errors; None if all are equal."""

    def point_losses(self, answer: Tensor, target: Tensor, levels: Tensor) -> Tensor:
        """[batch, channels, h, w] loss by `noise.loss`."""
        bend = None
        if is_bent(self.config):
            bend = huber_c(levels, self.num_levels, self.sigma(levels), self.config)
        return point_losses(answer, target, bend, self.config)


ALLOWED_PREDICTIONS = {
    "zero_terminal_snr": ("v_prediction",),
    "min_snr_gamma": ("epsilon", "v_prediction"),
    "debiased": ("epsilon", "v_prediction"),
    "scale_v_prediction": ("v_prediction",),
    "v_prediction_like": ("epsilon",),
    "flow_shift": ("flow",),
    "flow_shift_by_area": ("flow",),
    "flow_weighting": ("flow",),
}
"""Predictions of the base that a setting of the group noise requires."""


def check_prediction(config: NoiseConfig, prediction: str, allowed: Sequence[str]) -> None:
    """Raises UserError if the prediction is not allowed, or settings do not fit it."""
    if prediction not in allowed:
        raise UserError(
            f"the base at base.path predicts {prediction}, which is not supported; use one that"
            f" predicts {' or '.join(allowed)}"
        )
    if problems := [
        f"noise.{name} requires a base that predicts {' or '.join(fitting)}, but the one at base.path"
        f" predicts {prediction}; turn noise.{name} off, or use another base"
        for name, fitting in ALLOWED_PREDICTIONS.items()
        if getattr(config, name) and prediction not in fitting
    ]:
        raise UserError(*problems)
