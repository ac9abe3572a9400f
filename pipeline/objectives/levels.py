"""Which noise level each picture of a step gets. Pure: the generator decides."""

import math

import torch
from torch import Generator, Tensor

from pipeline.config.schemas import Noise


def draw_timesteps(num: int, config: Noise, generator: Generator) -> Tensor:
    """[num] whole timesteps in min_timestep .. max_timestep - 1, on the CPU."""
    low, high = config.min_timestep, config.max_timestep
    if config.timestep_distribution == "uniform":
        return torch.randint(low, high, (num,), generator=generator)
    share = _share(num, config, generator)
    return (low + share * (high - low)).long().clamp(low, high - 1)


def _share(num: int, config: Noise, generator: Generator) -> Tensor:
    """[num] numbers in 0..1, 1 the noisiest.

    logit_normal: sigmoid(N(mean, deviation)). mode: 1 - u - s (cos^2(pi/2 u) - 1 + u). Both of Esser et al.
    2024 (arXiv 2403.03206, section 3.1), as diffusers.training_utils has them. cubic: 1 - u^3 (Mou et al.
    2023, arXiv 2302.08453, section 3.4); cubic_early: u^3.
    """
    if config.timestep_distribution == "logit_normal":
        normal = torch.randn(num, generator=generator)
        return torch.sigmoid(config.timestep_mean + config.timestep_deviation * normal)
    u = torch.rand(num, generator=generator)
    if config.timestep_distribution == "mode":
        return 1 - u - config.timestep_mode_scale * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)
    return u**3 if config.timestep_distribution == "cubic_early" else 1 - u**3
