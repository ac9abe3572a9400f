from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from pipeline.config.schemas.results import Sampler
from pipeline.sampling.samplers import SAMPLERS
from pipeline.sampling.settings import Job, Settings
from pipeline.sampling.text_to_image import draw
from tests.pipeline.base.random_sd1 import random_base

JOBS = [Job("a cat", 1), Job("a dog", 2), Job("a cat", 3)]


def settings(**changes: object) -> Settings:
    plain = {"steps": 3, "guidance": 5.0, "sampler": "ddim", "negative_prompt": "bad", "width": 64}
    return Settings(**{**plain, "height": 64, "clip_skip": 1, "batch": 2, **changes})  # type: ignore[arg-type]


def test_diffusers_own_pipeline_draws_the_same() -> None:
    base = random_base()
    pipe = StableDiffusionPipeline(
        vae=base.vae, text_encoder=base.text_encoder, tokenizer=base.tokenizer, unet=base.unet,
        scheduler=DDIMScheduler.from_config(base.configs["scheduler"], clip_sample=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        [job.prompt for job in JOBS], negative_prompt=["bad"] * 3, num_inference_steps=3, guidance_scale=5.0,
        height=64, width=64, generator=[torch.Generator().manual_seed(job.seed) for job in JOBS],
    ).images  # fmt: skip
    for ours, wanted in zip(draw(base, JOBS, settings(batch=3)), theirs, strict=True):
        # One level of 255: rounding may fall either way.
        assert np.abs(np.asarray(ours).astype(int) - np.asarray(wanted).astype(int)).max() <= 1


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_sampler_draws_and_repeats(sampler: str) -> None:
    base = random_base()
    one, two = (list(draw(base, JOBS, settings(sampler=sampler))) for _ in range(2))
    assert [picture.tobytes() for picture in one] == [picture.tobytes() for picture in two]
    assert len(one) == 3
    assert one[0].tobytes() != one[2].tobytes()


def test_conf_names_the_samplers_that_there_are() -> None:
    assert set(get_args(Sampler)) == set(SAMPLERS)
