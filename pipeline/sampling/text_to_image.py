"""Text to picture with classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598).

Noise comes from the CPU, one generator a picture, so that a seed starts the same picture on every device and
in every batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import torch
from PIL import Image
from torch import Generator, Tensor

from pipeline.base.encoding import unpixels
from pipeline.base.load import BaseModel
from pipeline.sampling.conditioning import conditioning
from pipeline.sampling.prompt_steps import texts_by_step
from pipeline.sampling.samplers import Sampler
from pipeline.sampling.settings import Job, Settings

Contexts = list[Tensor]
"""What a prompt conditions each step on: [1, tokens, width], more tokens for a longer prompt."""


@torch.no_grad()
def draw(base: BaseModel, jobs: Sequence[Job], settings: Settings) -> Iterator[Image.Image]:
    """The pictures, in the jobs' order; every prompt is encoded once."""
    prompts = dict.fromkeys([settings.negative_prompt, *(job.prompt for job in jobs)])
    contexts = {prompt: _contexts(base, prompt, settings) for prompt in prompts}
    for batch in batches(jobs, contexts, settings.batch):
        yield from _draw_batch(base, batch, contexts, settings)


def _contexts(base: BaseModel, prompt: str, settings: Settings) -> Contexts:
    second_steps = settings.second_pass.steps if settings.second_pass else 0
    texts = texts_by_step(prompt, settings.steps, second_steps)
    encoded = {text: conditioning(base, text, settings.clip_skip) for text in dict.fromkeys(texts)}
    return [encoded[text] for text in texts]


def batches(jobs: Sequence[Job], contexts: Mapping[str, Contexts], at_most: int) -> Iterator[Sequence[Job]]:
    """Neighbours whose prompts are equally long, so that none is padded: a picture is the same in any
    company.
    """
    for _, group in groupby(jobs, key=lambda job: [len(context[0]) for context in contexts[job.prompt]]):
        alike = list(group)
        for start in range(0, len(alike), at_most):
            yield alike[start : start + at_most]


def _draw_batch(
    base: BaseModel, jobs: Sequence[Job], contexts: Mapping[str, Contexts], settings: Settings
) -> list[Image.Image]:
    without = [context.expand(len(jobs), -1, -1) for context in contexts[settings.negative_prompt]]
    prompted = [torch.cat(step) for step in zip(*(contexts[job.prompt] for job in jobs), strict=True)]
    sampler = Sampler(settings.sampler, base.configs["scheduler"], settings.steps, base.unet.device)
    generators = [Generator().manual_seed(job.seed) for job in jobs]
    noise = start_noise(generators, settings.width, settings.height)
    sampler.seeded(generators, noise.shape)
    latents = sampler.start(noise.to(base.unet.device))
    latents = denoised(base, sampler, latents, without, prompted, settings.guidance)
    return decoded(base, latents)


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


def start_noise(generators: Sequence[Generator], width: int, height: int) -> Tensor:
    """[jobs, 4, height/8, width/8], each picture's from its own generator."""
    shape = (1, 4, height // 8, width // 8)
    return torch.cat([torch.randn(shape, generator=generator) for generator in generators])
