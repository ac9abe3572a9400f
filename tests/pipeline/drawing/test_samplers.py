"""The samplers of timesteps against diffusers' own pipelines, and what all samplers have in common. Those of
sigmas: test_k_samplers.py.
"""

from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import retrieve_timesteps
from PIL import Image

from pipeline.bases.base import Base
from pipeline.drawing.samplers import Sampler
from pipeline.drawing.text_to_image import draw
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.schemas.samplers import A1111_NAMES, SCHEDULERS, TIMESTEP_SAMPLERS, sampler_name
from tests.pipeline.drawing.demo_base import demo_base

JOBS = [PictureJob("zibbo, smile", 1), PictureJob("cat, night sky", 2)]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base() -> Base:
    return demo_base()


def settings(sampler: str) -> DrawingSettings:
    return DrawingSettings(
        steps=4, guidance=5.0, sampler=sampler, negative_prompt="bad", width=64, height=72, clip_skip=1,
        batch=2,
    )  # fmt: skip


def pipeline_of(kind: type[Any], base: Base, sampler: str) -> Any:
    scheduler, options = SCHEDULERS[sampler]
    config = base.configs["scheduler"]
    pipe = kind(
        vae=base.vae, text_encoder=base.text_encoders[0], tokenizer=base.tokenizer, unet=base.denoiser,
        scheduler=getattr(diffusers, scheduler).from_config(config, clip_sample=False, **options),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def same(one: Image.Image, two: Image.Image) -> bool:
    """But for one level of 255: rounding may fall either way."""
    return bool(np.abs(np.asarray(one).astype(int) - np.asarray(two).astype(int)).max() <= 1)


@pytest.mark.parametrize("sampler", TIMESTEP_SAMPLERS)
def test_diffusers_own_pipeline_takes_the_same_steps_and_draws_the_same(base: Base, sampler: str) -> None:
    pipe = pipeline_of(StableDiffusionPipeline, base, sampler)
    theirs = pipe(
        [job.prompt for job in JOBS], negative_prompt=["bad"] * 2, num_inference_steps=4, guidance_scale=5.0,
        height=72, width=64, generator=[torch.Generator().manual_seed(job.seed) for job in JOBS],
    ).images  # fmt: skip
    ours = Sampler(sampler, base.configs["scheduler"], 4, CPU)
    assert ours.timesteps.tolist() == pipe.scheduler.timesteps.tolist()
    assert len(ours.timesteps) == 4
    drawn = list(draw(base, JOBS, settings(sampler)))
    assert drawn[0].tobytes() != drawn[1].tobytes()
    assert all(same(one, two) for one, two in zip(drawn, theirs, strict=True))


@pytest.mark.parametrize("sampler", ["euler_a", "dpmpp_2m_sde", "dpmpp_sde"])
def test_a_sampler_that_adds_noise_repeats_and_takes_it_from_the_pictures_own_seed(
    base: Base, sampler: str
) -> None:
    together, again = (list(draw(base, JOBS, settings(sampler))) for _ in range(2))
    alone = list(draw(base, JOBS[1:], settings(sampler)))
    assert [picture.tobytes() for picture in together] == [picture.tobytes() for picture in again]
    assert same(together[1], alone[0])


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_every_sampler_takes_a_single_step_and_many(base: Base, sampler: str) -> None:
    for steps in (1, 2, 20, 50):
        ours = Sampler(sampler, base.configs["scheduler"], steps, CPU)
        assert len(ours.timesteps) == (2 * steps - 1 if ours.order == 2 else steps)
    (picture,) = draw(base, JOBS[:1], replace(settings(sampler), steps=1))
    assert np.asarray(picture).std() > 0


@pytest.mark.parametrize("sampler", TIMESTEP_SAMPLERS)
def test_a_single_step_and_many_are_what_diffusers_takes(base: Base, sampler: str) -> None:
    pipe = pipeline_of(StableDiffusionPipeline, base, sampler)
    for steps in (1, 2, 20, 50):
        found, _ = retrieve_timesteps(pipe.scheduler, steps, CPU)
        ours = Sampler(sampler, base.configs["scheduler"], steps, CPU)
        assert ours.timesteps.tolist() == found.tolist()


def test_noise_is_a_pictures_own(base: Base) -> None:
    sampler = Sampler("euler_a", base.configs["scheduler"], 4, CPU)
    noise = sampler.noise([1, 2], width=64, height=128)
    assert noise.shape == (2, 4, 16, 8)
    assert torch.equal(noise[1:], sampler.noise([2], 64, 128))


def test_every_sampler_has_a_name_and_every_name_a_sampler() -> None:
    assert set(A1111_NAMES) == set(SCHEDULERS)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("DDIM", "ddim"), ("Euler a", "euler_a"), ("euler_ancestral", "euler_a"), ("k_euler_a", "euler_a"),
        ("k_euler", "euler"), ("DPM++ 2M Karras", "dpmpp_2m_karras"), ("dpm++_2m_karras", "dpmpp_2m_karras"),
        ("k_dpmpp_2m_ka", "dpmpp_2m_karras"), ("DPM++ SDE", "dpmpp_sde"), ("dpmpp_2m", "dpmpp_2m"),
        ("UniPC", "unipc"), ("uni_pc", "unipc"), ("LMS", "lms"), ("k_lms_ka", "lms_karras"),
        ("heun", "heun"), ("k_heun", "heun"), ("Euler Karras", "euler_karras"),
        ("DPM++ 2M SDE Exponential", "dpmpp_2m_sde_exponential"),
        ("DPM++ SDE SGM Uniform", "dpmpp_sde_sgm_uniform"),
    ],
)  # fmt: skip
def test_names_as_users_and_other_tools_write_them(written: str, name: str) -> None:
    assert sampler_name(written) == name


def test_every_label_is_understood_and_an_unknown_name_gets_the_nearest() -> None:
    assert [sampler_name(label) for label in A1111_NAMES.values()] == list(A1111_NAMES)
    with pytest.raises(ValueError, match="did you mean DPM"):
        sampler_name("DPM++ 3M Karras")


@pytest.mark.parametrize("name", ["euler", "euler_a", "heun", "lms", "dpmpp_2m", "dpmpp_sde"])
def test_with_zero_terminal_snr_every_sampler_starts_from_pure_noise(name: str) -> None:
    """diffusers' sigma for it is 4096; 14.61 is that of the plain schedule."""
    config = {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing",
    }  # fmt: skip
    sampler = Sampler(name, config, 4, torch.device("cpu"))
    assert float(sampler.scheduler.sigmas[0]) == pytest.approx(4096, rel=1e-3)
