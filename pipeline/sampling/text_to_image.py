"""Text to picture with classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598).

Noise comes from the CPU, one generator a picture, so that a seed starts the same picture on every device and
in every batch.
"""

from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from torch import Generator, Tensor

from pipeline.base.conditioning import encode, token_ids
from pipeline.base.encoding import unpixels
from pipeline.base.load import BaseModel
from pipeline.base.new_rows import words_of
from pipeline.sampling.samplers import make_sampler
from pipeline.sampling.settings import Job, Settings


@torch.no_grad()
def draw(base: BaseModel, jobs: Sequence[Job], settings: Settings) -> Iterator[Image.Image]:
    """The pictures, in the jobs' order."""
    for start in range(0, len(jobs), settings.batch):
        yield from _draw_batch(base, jobs[start : start + settings.batch], settings)


def _draw_batch(base: BaseModel, jobs: Sequence[Job], settings: Settings) -> list[Image.Image]:
    device = base.unet.device
    texts = [settings.negative_prompt] * len(jobs) + [job.prompt for job in jobs]
    ids = token_ids(base.tokenizer, texts, words_of(base.text_encoder)).to(device)
    context = encode(base.text_encoder, ids, settings.clip_skip)
    scheduler = make_sampler(settings.sampler, base.configs["scheduler"])
    scheduler.set_timesteps(settings.steps, device=device)
    generators = [Generator().manual_seed(job.seed) for job in jobs]
    latents = start_noise(generators, settings.width, settings.height).to(device) * scheduler.init_noise_sigma
    extra = {"generator": generators} if settings.sampler == "euler_a" else {}
    for timestep in scheduler.timesteps:
        both = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        without, with_prompt = base.unet(both, timestep, context, return_dict=False)[0].chunk(2)
        guided = without + settings.guidance * (with_prompt - without)
        latents = scheduler.step(guided, timestep, latents, return_dict=False, **extra)[0]
    return unpixels(base.vae.decode(latents / base.vae.config.scaling_factor).sample)


def start_noise(generators: Sequence[Generator], width: int, height: int) -> Tensor:
    """[jobs, 4, height/8, width/8], each picture's from its own generator."""
    shape = (1, 4, height // 8, width // 8)
    return torch.cat([torch.randn(shape, generator=generator) for generator in generators])
