"""The VAE, and drawing: ours against diffusers' pipelines on the same weights."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.gpu.bases import side_px
from benchmarks.gpu.cases import Bench
from benchmarks.gpu.running import Row
from benchmarks.train_step import wait
from pipeline.bases.base import Base
from pipeline.bases.latents import moments
from pipeline.bases.vae_tiles import in_tiles
from pipeline.drawing.text_to_image import draw
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.schemas.group import DrawingPrecision

STEPS = {"sd15": 20, "sdxl": 30}
GUIDANCE = 7.0
PROMPT = "a picture"


def a_picture(work: Callable[[], object], pictures: int) -> Row:
    """Pictures per second, after one round to warm up; peak memory."""
    work()
    wait()
    cuda = torch.cuda if torch.cuda.is_available() else None
    if cuda:
        cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    work()
    wait()
    seconds = time.perf_counter() - started
    peak = {"allocated_gib": round(cuda.max_memory_allocated() / 2**30, 2)} if cuda else {}
    return {"pictures_a_second": round(pictures / seconds, 3), **peak}


def encoding(bench: Bench, name: str, bare: bool, tiles: bool) -> Row:
    """Pictures through the VAE as `encode` does, or the VAE alone on a tensor that is on the card."""
    base, side = _drawn(bench, name, tiles), side_px(name, bench.tiny)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))
    pixels = torch.rand((1, 3, side, side), device=bench.device)

    @torch.no_grad()
    def alone() -> None:
        base.vae.encode(pixels).latent_dist.mean.cpu()

    number = 2 if bench.tiny else 8
    once: Callable[[], object] = alone if bare else lambda: moments(base, picture)
    return a_picture(lambda: [once() for _ in range(number)], number)


def _drawn(
    bench: Bench,
    name: str,
    tiles: bool,
    precision: DrawingPrecision = "fp32",
    in_turn: bool = False,
) -> Base:
    """The base on the device, with its weights in `precision` but for the VAE. tiles: its VAE works in tiles.
    in_turn: its parts wait in the machine's memory.
    """
    base = bench.base(
        name, f"drawn in {precision}{' in tiles' if tiles else ''}{' in turn' if in_turn else ''}"
    )
    for part in (base.denoiser, *base.text_models):
        part.to(PRECISIONS[precision])
    base = in_tiles(base) if tiles else base
    return base.to(torch.device("cpu")).in_turn(bench.device) if in_turn else base.to(bench.device)


def ours(
    bench: Bench,
    name: str,
    batch: int,
    precision: DrawingPrecision,
    tiles: bool = False,
    in_turn: bool = False,
) -> Row:
    base, side = _drawn(bench, name, tiles, precision, in_turn), side_px(name, bench.tiny)
    settings = DrawingSettings(
        steps=_steps(bench, name), guidance=GUIDANCE, sampler="ddim", negative_prompt="", width=side,
        height=side, clip_skip=1, batch=batch, precision=precision,
    )  # fmt: skip
    jobs = [PictureJob(PROMPT, seed) for seed in range(batch)]
    return a_picture(lambda: list(draw(base, jobs, settings)), batch)


def theirs(bench: Bench, name: str, batch: int, precision: DrawingPrecision) -> Row:
    """diffusers' pipeline, in the precision as its documentation advises: all parts in it."""
    base = bench.base(name, f"pipeline {precision}")
    base.to(bench.device)
    pipe = _pipeline(base, name).to(PRECISIONS[precision])
    pipe.set_progress_bar_config(disable=True)
    side = side_px(name, bench.tiny)
    named: dict[str, Any] = {"num_inference_steps": _steps(bench, name), "guidance_scale": GUIDANCE}
    return a_picture(lambda: pipe([PROMPT] * batch, width=side, height=side, **named), batch)


def _pipeline(base: Base, name: str) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

    parts = {"unet": base.denoiser, "vae": base.vae, "text_encoder": base.text_encoders[0]}
    scheduler = DDIMScheduler.from_config(base.configs["scheduler"])
    if name == "sd15":
        return StableDiffusionPipeline(
            **parts, tokenizer=base.tokenizer, scheduler=scheduler, safety_checker=None,
            feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    return StableDiffusionXLPipeline(
        **parts, text_encoder_2=base.text_encoders[1], tokenizer=base.tokenizer, tokenizer_2=base.tokenizer,
        scheduler=scheduler, add_watermarker=False,
    )  # fmt: skip


def _steps(bench: Bench, name: str) -> int:
    return 2 if bench.tiny else STEPS[name]
