"""Draws pictures from prompts.

Noise comes from the CPU, one generator a picture, so that a seed gives the same picture on every device and
in every batch. Guidance is classifier-free (Ho & Salimans 2022, arXiv 2207.12598).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning, cat
from pipeline.bases.latents import decoded
from pipeline.drawing.aesthetic import Aesthetic
from pipeline.drawing.conditioning import conditioning
from pipeline.drawing.flow_sampler import AnySampler, sampler_of
from pipeline.drawing.library import Library
from pipeline.drawing.samplers import check_sampler
from pipeline.drawing.second_pass import enlarged, second_sampler, upscaler_of
from pipeline.drawing.upscaling import Upscaler
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.prompts.network_tags import split_tags
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.prompts.steps import texts_by_step

Contexts = list[Conditioning]
"""The conditioning of each step; longer prompts have more tokens."""
NO_NETWORKS = Library()


@torch.no_grad()
def draw(
    base: Base,
    jobs: Sequence[PictureJob],
    settings: DrawingSettings,
    library: Library = NO_NETWORKS,
    aesthetic: Aesthetic | None = None,
) -> Iterator[Image.Image]:
    """The pictures, in the jobs' order; encodes every prompt once. `library`: networks and embeddings that
    prompts may call. `aesthetic`: changes every prompt but the negative one. Raises UserError before drawing
    anything if a job cannot be drawn.
    """
    check_sampler(settings.sampler, base)
    upscaler = upscaler_of(settings, base.device) if settings.second_pass else None
    negative = settings.negative_prompt
    prompts = dict.fromkeys([negative, *(job.prompt for job in jobs)])
    calls = {prompt: library.calls(prompt, negative) for prompt in prompts}
    texts = {prompt: _texts(prompt, settings) for prompt in prompts}
    for called, group in groupby(jobs, key=lambda job: calls[job.prompt]):
        alike = list(group)
        with library.attached(base, called):
            here = dict.fromkeys([negative, *(job.prompt for job in alike)])
            contexts = _all_contexts(base, {prompt: texts[prompt] for prompt in here}, settings, aesthetic)
        for batch in batches(alike, contexts, settings.batch):
            # Detached before pictures are handed out, so that the caller finds the base unchanged.
            with library.attached(base, called):
                pictures = _draw_batch(base, batch, contexts, settings, upscaler)
            yield from pictures


def _texts(prompt: str, settings: DrawingSettings) -> list[str]:
    """The prompt's text in each step of both passes."""
    second_steps = settings.second_pass.steps if settings.second_pass else 0
    return texts_by_step(split_tags(prompt)[0], settings.steps, second_steps)


def _all_contexts(
    base: Base, texts: Mapping[str, Sequence[str]], settings: DrawingSettings, aesthetic: Aesthetic | None
) -> dict[str, Contexts]:
    """By prompt. The negative one is not changed by an aesthetic embedding."""
    with base.at_work(base.text_part_names, PRECISIONS[settings.precision]):
        return {
            prompt: _contexts(
                base, own, settings.clip_skip, None if prompt == settings.negative_prompt else aesthetic
            )
            for prompt, own in texts.items()
        }


def _contexts(base: Base, texts: Sequence[str], clip_skip: int, aesthetic: Aesthetic | None) -> Contexts:
    encoded = {text: conditioning(base, text, clip_skip, aesthetic) for text in dict.fromkeys(texts)}
    return [encoded[text] for text in texts]


def batches(
    jobs: Sequence[PictureJob], contexts: Mapping[str, Contexts], at_most: int
) -> Iterator[Sequence[PictureJob]]:
    """Batches neighbouring jobs of equal context length, so no padding is needed and a picture does not
    depend on its batch.
    """
    for _, group in groupby(
        jobs, key=lambda job: [context.tokens.shape[1] for context in contexts[job.prompt]]
    ):
        alike = list(group)
        for start in range(0, len(alike), at_most):
            yield alike[start : start + at_most]


def _draw_batch(
    base: Base,
    jobs: Sequence[PictureJob],
    contexts: Mapping[str, Contexts],
    settings: DrawingSettings,
    upscaler: Upscaler | None,
) -> list[Image.Image]:
    without = [cat([context] * len(jobs)) for context in contexts[settings.negative_prompt]]
    prompted = [cat(step) for step in zip(*(contexts[job.prompt] for job in jobs), strict=True)]
    seeds, first = [job.seed for job in jobs], settings.steps
    width, height = settings.width, settings.height

    def drawn(sampler: AnySampler, latents: Tensor, steps: slice) -> Tensor:
        sizes = base.family.sizes(width, height)
        negative, positive = ([each.sized(sizes) for each in all_[steps]] for all_ in (without, prompted))
        guidance = settings.guidance, settings.guidance_rescale
        with base.at_work([base.family.denoiser.name], PRECISIONS[settings.precision]):
            return denoised(base, sampler, latents, negative, positive, *guidance)

    sampler = sampler_of(base, settings.sampler, first)
    latents = drawn(sampler, sampler.start(sampler.noise(seeds, width, height)), slice(first))
    if settings.second_pass:
        width, height = settings.second_pass.enlarged(width, height)
        sampler = second_sampler(settings, base)
        with base.at_work(["vae"]):
            larger = enlarged(base, latents, settings, upscaler)
        started = sampler.noisy(larger, sampler.noise(seeds, width, height))
        latents = drawn(sampler, started, slice(first, None))
    with base.at_work(["vae"]):
        return decoded(base, latents)


def denoised(
    base: Base,
    sampler: AnySampler,
    latents: Tensor,
    without: Contexts,
    prompted: Contexts,
    guidance: float,
    rescale: float = 0.0,
) -> Tensor:
    """The latents after all steps of the sampler. Contexts have one conditioning for each step."""
    for number, timestep in enumerate(sampler.timesteps):
        step = number // sampler.order
        scaled = sampler.scaled(latents, timestep)
        predicted = guided(base, scaled, timestep, without[step], prompted[step], guidance, rescale)
        latents = sampler.step(predicted, timestep, latents)
    return latents


def guided(
    base: Base,
    latents: Tensor,
    timestep: Tensor,
    without: Conditioning,
    prompted: Conditioning,
    guidance: float,
    rescale: float = 0.0,
) -> Tensor:
    """without + guidance * (prompted - without), in one call if both prompts are equally long; in fp32. With
    guidance 1 computes only `prompted`.
    """

    def predict(*arguments: Any) -> Tensor:
        return base.family.predict(*arguments).float()

    if guidance == 1:
        return predict(base, latents, timestep, prompted)
    if without.tokens.shape == prompted.tokens.shape:
        both = predict(base, torch.cat([latents, latents]), timestep, cat([without, prompted]))
        negative, positive = both.chunk(2)
    else:
        negative, positive = (predict(base, latents, timestep, each) for each in (without, prompted))
    result: Tensor = negative + guidance * (positive - negative)
    return rescaled(result, positive, rescale) if rescale else result


def rescaled(guided: Tensor, positive: Tensor, amount: float) -> Tensor:
    """Part of the way to the prompt's own answer's deviation, picture by picture (Lin et al. 2023, arXiv
    2305.08891, section 3.4).
    """
    axes = tuple(range(1, guided.dim()))
    factor = positive.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
    return guided * (amount * factor + 1 - amount)
