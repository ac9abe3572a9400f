"""Expectations are AUTOMATIC1111's sigmas of SD 1.5 (modules/sd_schedulers.py), worked out by hand from its
formulas and betas: sqrt(beta) even from sqrt(0.00085) to sqrt(0.012) in 1000 timesteps.
"""

import numpy as np
import pytest
import torch

from pipeline.drawing.samplers import Sampler
from pipeline.drawing.schedules import BaseSigmas, schedule
from pipeline.drawing.second_pass import second_sampler
from pipeline.schemas.samplers import K_SAMPLERS, SAMPLER_PARTS
from tests.pipeline.drawing.demo_base import demo_base
from tests.pipeline.drawing.test_second_pass import settings

HIGH, LOW = 14.614641, 0.02916716
CONFIG = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "steps_offset": 1, "timestep_spacing": "leading",
}  # fmt: skip
NOISE = BaseSigmas.of(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uniform", [HIGH, 2.918307, 0.9323580, LOW]),  # at timesteps 999, 666, 333, 0
        ("sgm_uniform", [HIGH, 4.086081, 1.615580, 0.6951495]),  # at 999, 749.25, 499.5, 249.75
        ("karras", [HIGH, 3.168603, 0.4469182, LOW]),
        ("exponential", [HIGH, 1.840024, 0.2316641, LOW]),  # log even: a factor of 7.94263
    ],
)
def test_four_steps_by_hand(name: str, expected: list[float]) -> None:
    """Seven digits are written out."""
    assert schedule(NOISE, name, 4) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sampler", K_SAMPLERS)
@pytest.mark.parametrize("steps", [2, 20])
def test_uniform_schedules_begin_and_end_where_a1111s_do(sampler: str, steps: int) -> None:
    """diffusers keeps alphas in single precision: 1 - 0.99915 has four digits, their root one more."""
    scheduler = Sampler(sampler, CONFIG, steps, torch.device("cpu")).scheduler
    assert scheduler.sigmas[0].item() == pytest.approx(HIGH, rel=1e-5)
    assert scheduler.sigmas[-2].item() == pytest.approx(LOW, rel=5e-5)
    assert scheduler.sigmas[-1] == 0


@pytest.mark.parametrize("name", SAMPLER_PARTS)
def test_a_single_step_goes_from_the_most_noise_to_none(name: str) -> None:
    sampler = Sampler(name, CONFIG, 1, torch.device("cpu"))
    assert sampler.scheduler.sigmas.tolist() == [pytest.approx(HIGH, rel=1e-5), 0]
    assert sampler.timesteps.tolist() == [999]


def test_timesteps_between_two_are_fractions() -> None:
    assert NOISE.timestep(NOISE.sigma(np.array([998.5, 0.25]))) == pytest.approx([998.5, 0.25])


@pytest.mark.parametrize("name", ["lms", "dpmpp_2m_karras"])
def test_a_second_pass_takes_the_last_sigmas_of_the_whole_schedule(name: str) -> None:
    """3 of 6 steps; a solver that looks back finds nothing before the first."""
    ours = second_sampler(settings(name), demo_base())
    assert isinstance(ours, Sampler)
    whole = Sampler(name, demo_base().configs["scheduler"], 6, torch.device("cpu"))
    assert ours.scheduler.sigmas.tolist() == whole.scheduler.sigmas[3:].tolist()
    assert len(ours.scheduler.timesteps) == 3
