"""Rectified flow (Liu et al. 2022, arXiv 2209.03003; Esser et al. 2024, arXiv 2403.03206).

    x_sigma = (1 - sigma) x_0 + sigma noise        the denoiser answers noise - x_0

sigma runs from 0 (clean) to 1 (noise). Here u is drawn in 0..1 with 0 clean; the shift is applied after it.
The same names mean other things elsewhere: kohya-ss/sd-scripts draws u like this, huggingface/diffusers'
training scripts draw it the other way round, over a schedule that is already shifted.

Shapes: latents and noise [batch, channels, h, w], sigma and u [batch].
"""

import math

import torch
from torch import Generator, Tensor

TRAIN_TIMESTEPS = 1000
"""The denoiser is told 1000 sigma."""


def shifted(u: Tensor, shift: float) -> Tensor:
    """sigma = s u / (1 + (s - 1) u): above 1, more noise, as larger pictures need."""
    return shift * u / (1 + (shift - 1) * u)


def logit_normal(num: int, mean: float, std: float, generator: Generator) -> Tensor:
    """sigmoid(N(mean, std)): the middle most often; a mean above 0 means more noise."""
    return torch.sigmoid(mean + std * torch.randn(num, generator=generator))


def mode(u: Tensor, scale: float) -> Tensor:
    """1 - u - s (cos^2(pi u / 2) - 1 + u): s above 0 the middle more often, below 0 the ends."""
    return 1 - u - scale * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)


def noisy(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_sigma."""
    level = sigma.view(-1, 1, 1, 1)
    return (1 - level) * latents + level * noise


def target(latents: Tensor, noise: Tensor) -> Tensor:
    """The velocity, equal at every level."""
    return noise - latents


def clean(noisy: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """x_0 that an answer stands for."""
    return noisy - sigma.view(-1, 1, 1, 1) * velocity


def sigma_sqrt_weight(sigma: Tensor) -> Tensor:
    """1 / sigma^2."""
    return sigma**-2.0


def cosmap_weight(sigma: Tensor) -> Tensor:
    """2 / (pi (1 - 2 sigma + 2 sigma^2))."""
    return 2 / (math.pi * (1 - 2 * sigma + 2 * sigma**2))


def sigmas(num_steps: int, shift: float) -> Tensor:
    """[num_steps + 1] levels of a drawing, from 1 to 0.

    The steps are even in the shifted time between 1 and 1/1000, as in diffusers, ComfyUI's `normal` and
    Stability's reference.
    """
    first, last = (shifted(torch.tensor(u, dtype=torch.float64), shift) for u in (1.0, 1 / TRAIN_TIMESTEPS))
    even = torch.linspace(float(first), float(last), num_steps, dtype=torch.float64)
    return torch.cat([shifted(even, shift), torch.zeros(1, dtype=torch.float64)]).float()
