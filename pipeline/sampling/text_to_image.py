"""Text to picture with classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598).

Noise comes from the CPU, one generator a picture, so that a seed starts the same picture on every device and
in every batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from PIL import Image
from torch import Generator, Tensor

from pipeline.base.conditioning import encode, token_ids
from pipeline.base.encoding import unpixels
from pipeline.base.load import BaseModel
from pipeline.base.new_rows import words_of
from pipeline.config.schemas import Base, ClassImages, SampleGrid
from pipeline.sampling.samplers import make_sampler


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How pictures are drawn; `batch` changes memory and speed, not the pictures' start."""

    steps: int
    guidance: float
    sampler: str
    negative_prompt: str
    resolution: int
    clip_skip: int
    batch: int

    @classmethod
    def of(cls, wanted: ClassImages | SampleGrid, base: Base) -> "Settings":
        """As the group asks for them."""
        own = {field.name for field in fields(cls)} - {"clip_skip"}
        return cls(clip_skip=base.clip_skip, **wanted.model_dump(include=own))


@dataclass(frozen=True)
class Job:
    """One picture: its prompt and the seed of its noise."""

    prompt: str
    seed: int


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
    latents = start_noise(generators, settings.resolution).to(device) * scheduler.init_noise_sigma
    extra = {"generator": generators} if settings.sampler == "euler_a" else {}
    for timestep in scheduler.timesteps:
        both = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        without, with_prompt = base.unet(both, timestep, context, return_dict=False)[0].chunk(2)
        guided = without + settings.guidance * (with_prompt - without)
        latents = scheduler.step(guided, timestep, latents, return_dict=False, **extra)[0]
    return unpixels(base.vae.decode(latents / base.vae.config.scaling_factor).sample)


def start_noise(generators: Sequence[Generator], resolution: int) -> Tensor:
    """[jobs, 4, resolution/8, resolution/8], each picture's from its own generator."""
    side = resolution // 8
    return torch.cat([torch.randn((1, 4, side, side), generator=generator) for generator in generators])
