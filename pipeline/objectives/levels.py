"""Draws a noise level for each picture of a step. Pure.

Fractions are in 0..1: 0 is clean, 1 is noise. kohya-ss/sd-scripts draws them the same way,
huggingface/diffusers' scripts for rectified flow the other way round.
"""

import math

import torch
from torch import Generator, Tensor

from pipeline.schemas import NoiseConfig

NUM_LEVELS = 1000
"""The scale of `min_timestep` and `max_timestep`."""


def draw_timesteps(num: int, config: NoiseConfig, generator: Generator) -> Tensor:
    """[num] whole timesteps in min_timestep .. max_timestep - 1, on the CPU."""
    low, high = config.min_timestep, config.max_timestep
    if config.timestep_distribution == "uniform":
        return torch.randint(low, high, (num,), generator=generator)
    return (low + _fractions(num, config, generator) * (high - low)).long().clamp(low, high - 1)


def draw_fractions(num: int, config: NoiseConfig, generator: Generator) -> Tensor:
    """[num] numbers between min_timestep / 1000 and max_timestep / 1000, on the CPU."""
    low, high = config.min_timestep / NUM_LEVELS, config.max_timestep / NUM_LEVELS
    return low + _fractions(num, config, generator) * (high - low)


def _fractions(num: int, config: NoiseConfig, generator: Generator) -> Tensor:
    """[num] numbers in 0..1.

    uniform: u. logit_normal: sigmoid(N(mean, deviation)). mode: 1 - u - s (cos^2(pi/2 u) - 1 + u). The last
    two are from Esser et al. 2024 (arXiv 2403.03206, section 3.1), as in diffusers.training_utils. cubic:
    1 - u^3 (Mou et al. 2023, arXiv 2302.08453, section 3.4); cubic_early: u^3.
    """
    if config.timestep_distribution == "logit_normal":
        normal = torch.randn(num, generator=generator)
        return logit_normal(normal, config.timestep_mean, config.timestep_deviation)
    u = torch.rand(num, generator=generator)
    if config.timestep_distribution == "uniform":
        return u
    if config.timestep_distribution == "mode":
        return mode(u, config.timestep_mode_scale)
    return u**3 if config.timestep_distribution == "cubic_early" else 1 - u**3


def logit_normal(normal: Tensor, mean: float, deviation: float) -> Tensor:
    """sigmoid(mean + deviation N(0, 1)): mostly middle levels; a mean above 0 gives more noise."""
    return torch.sigmoid(mean + deviation * normal)


def mode(u: Tensor, scale: float) -> Tensor:
    """1 - u - s (cos^2(pi u / 2) - 1 + u): s above 0 favours middle levels, below 0 both ends."""
    return 1 - u - scale * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)
