"""A sampler's steps through the U-Net with classifier-free guidance (Ho & Salimans 2022, arXiv
2207.12598).
"""

import torch
from PIL import Image
from torch import Tensor

from pipeline.base.encoding import unpixels
from pipeline.base.load import BaseModel
from pipeline.sampling.samplers import Sampler

Contexts = list[Tensor]
"""What conditions each step: [batch, tokens, width], more tokens for a longer prompt."""


def denoised(
    base: BaseModel,
    sampler: Sampler,
    latents: Tensor,
    without: Contexts,
    prompted: Contexts,
    guidance: float,
) -> Tensor:
    """The latents after all of the sampler's steps; a context a step of [batch, tokens, width]."""
    for number, timestep in enumerate(sampler.timesteps):
        step = number // sampler.order
        scaled = sampler.scaled(latents, timestep)
        predicted = guided(base, scaled, timestep, without[step], prompted[step], guidance)
        latents = sampler.step(predicted, timestep, latents)
    return latents


def guided(
    base: BaseModel, latents: Tensor, timestep: Tensor, without: Tensor, prompted: Tensor, guidance: float
) -> Tensor:
    """without + guidance * (prompted - without): in one call where both prompts are equally long, and one of
    half the work where guidance is 1.
    """
    if guidance == 1:
        alone: Tensor = base.unet(latents, timestep, prompted, return_dict=False)[0]
        return alone
    if without.shape == prompted.shape:
        both = base.unet(
            torch.cat([latents, latents]), timestep, torch.cat([without, prompted]), return_dict=False
        )
        negative, positive = both[0].chunk(2)
    else:
        negative, positive = (
            base.unet(latents, timestep, context, return_dict=False)[0] for context in (without, prompted)
        )
    result: Tensor = negative + guidance * (positive - negative)
    return result


def decoded(base: BaseModel, latents: Tensor) -> list[Image.Image]:
    """The pictures of latents."""
    return unpixels(base.vae.decode(latents / base.vae.config.scaling_factor).sample)
