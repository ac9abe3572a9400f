"""A sampler's steps through the U-Net with classifier-free guidance (Ho & Salimans 2022, arXiv
2207.12598).
"""

import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning, cat
from pipeline.drawing.samplers import Sampler

Contexts = list[Conditioning]
"""What conditions each step; more tokens for a longer prompt."""


def denoised(
    base: Base,
    sampler: Sampler,
    latents: Tensor,
    without: Contexts,
    prompted: Contexts,
    guidance: float,
) -> Tensor:
    """The latents after all of the sampler's steps; a conditioning a step."""
    for number, timestep in enumerate(sampler.timesteps):
        step = number // sampler.order
        scaled = sampler.scaled(latents, timestep)
        predicted = guided(base, scaled, timestep, without[step], prompted[step], guidance)
        latents = sampler.step(predicted, timestep, latents)
    return latents


def guided(
    base: Base,
    latents: Tensor,
    timestep: Tensor,
    without: Conditioning,
    prompted: Conditioning,
    guidance: float,
) -> Tensor:
    """without + guidance * (prompted - without): in one call where both prompts are equally long, and one of
    half the work where guidance is 1.
    """
    predict = base.family.predict
    if guidance == 1:
        return predict(base, latents, timestep, prompted)
    if without.tokens.shape == prompted.tokens.shape:
        both = predict(base, torch.cat([latents, latents]), timestep, cat([without, prompted]))
        negative, positive = both.chunk(2)
    else:
        negative, positive = (predict(base, latents, timestep, each) for each in (without, prompted))
    result: Tensor = negative + guidance * (positive - negative)
    return result
