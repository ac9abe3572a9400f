"""The second pass against diffusers' own image-to-image pipeline."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from torch.nn import functional as F

from pipeline.bases.base import Base
from pipeline.drawing.second_pass import INTERPOLATIONS, second_sampler, total_steps, upscaler_of
from pipeline.drawing.text_to_image import draw
from pipeline.drawing.upscaling import Upscaler
from pipeline.errors import UserError
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from pipeline.schemas.samplers import TIMESTEP_SAMPLERS
from tests.pipeline.drawing.demo_base import demo_base
from tests.pipeline.drawing.test_samplers import pipeline_of, same

SECOND = SecondPass(upscaler="latent", scale=1.5, steps=3, strength=0.5)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base() -> Base:
    return demo_base()


def settings(sampler: str = "euler", **changes: Any) -> DrawingSettings:
    return DrawingSettings(
        steps=2, guidance=4.0, sampler=sampler, negative_prompt="bad", width=64, height=64, clip_skip=1,
        batch=1, second_pass=replace(SECOND, **changes),
    )  # fmt: skip


@pytest.mark.parametrize("sampler", TIMESTEP_SAMPLERS)
def test_image_to_image_of_diffusers_draws_the_same(base: Base, sampler: str) -> None:
    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(7)

    asked = {"negative_prompt": "bad", "guidance_scale": 4.0}
    first = pipeline_of(StableDiffusionPipeline, base, sampler)(
        "zibbo, smile", **asked, num_inference_steps=2, height=64, width=64, generator=generator(),
        output_type="latent",
    ).images  # fmt: skip
    second = pipeline_of(StableDiffusionImg2ImgPipeline, base, sampler)
    larger = F.interpolate(first, (12, 12), mode="bilinear")
    wanted = second(
        "zibbo, smile", **asked, image=larger, num_inference_steps=6, strength=0.5, generator=generator()
    ).images[0]
    ours = second_sampler(settings(sampler), base)
    assert ours.timesteps.tolist() == second.scheduler.timesteps[3 * ours.order :].tolist()
    found = next(iter(draw(base, [PictureJob("zibbo, smile", 7)], settings(sampler))))
    assert found.size == (96, 96)
    assert same(found, wanted)


@pytest.mark.parametrize("strength", [0.05, 0.3, 0.55, 0.7, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 10, 20])
def test_exactly_the_steps_that_were_asked_for_are_run(base: Base, steps: int, strength: float) -> None:
    for sampler in ("ddim", "heun"):
        ours = second_sampler(settings(sampler, steps=steps, strength=strength), base)
        assert len(ours.timesteps) == (steps if ours.order == 1 else 2 * steps - 1)


def test_totals_by_hand() -> None:
    assert total_steps(replace(SECOND, steps=10, strength=0.7)) == 14
    assert total_steps(replace(SECOND, steps=10, strength=1.0)) == 10
    assert total_steps(replace(SECOND, steps=10, strength=0.01)) == 1000
    with pytest.raises(UserError, match="needs a schedule of 1100 steps"):
        total_steps(replace(SECOND, steps=11, strength=0.01))


def test_a_low_strength_keeps_more_of_the_picture(base: Base) -> None:
    plain = replace(settings(), second_pass=None)
    first = np.asarray(next(iter(draw(base, [PictureJob("a", 1)], plain))).resize((96, 96))).astype(int)
    near, far = (
        np.abs(
            np.asarray(next(iter(draw(base, [PictureJob("a", 1)], settings(strength=s))))).astype(int) - first
        ).mean()
        for s in (0.02, 0.9)
    )
    assert near < far


def test_sizes_are_multiples_of_8() -> None:
    assert SECOND.enlarged(512, 768) == (768, 1152)
    assert replace(SECOND, scale=1.3).enlarged(512, 64) == (664, 80)


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_every_interpolation_draws(base: Base, name: str) -> None:
    picture = next(iter(draw(base, [PictureJob("a", 1)], replace(settings(upscaler=name, steps=1), steps=1))))
    assert picture.size == (96, 96)


def test_a_network_enlarges_the_picture(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def doubled(picture: torch.Tensor) -> torch.Tensor:
        calls.append(picture.shape)
        return F.interpolate(picture, scale_factor=2)

    monkeypatch.setattr(
        "pipeline.drawing.second_pass.load_upscaler", lambda _, device: Upscaler(doubled, 2, device)
    )
    picture = next(iter(draw(base, [PictureJob("a", 1)], settings(upscaler="net.pth"))))
    assert picture.size == (96, 96)
    assert calls == [(1, 3, 64, 64)]


def test_an_unknown_upscaler_is_named() -> None:
    with pytest.raises(UserError, match="did you mean latent_bicubic"):
        upscaler_of(settings(upscaler="latent_bicubik"), CPU)
    with pytest.raises(UserError, match="no such upscaler network"):
        upscaler_of(settings(upscaler="models/4x.pth"), CPU)
