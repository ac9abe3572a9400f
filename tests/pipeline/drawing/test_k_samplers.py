"""The samplers that are k-diffusion's, against its formulas written out (k_diffusion/sampling.py) in its own
terms: latents x with noise sigma, a denoiser that answers with the clean latents.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from pipeline.drawing.samplers import Sampler, start_noise
from pipeline.schemas.samplers import SCHEDULES, named
from tests.pipeline.drawing.test_schedules import CONFIG

SEEDS, STEPS = [5, 6], 7
Denoiser = Callable[[Tensor, int], Tensor]


def predicted(scaled: Tensor, timestep: Tensor) -> Tensor:
    """A denoiser of sorts: bent, unlike at each timestep, and each place looks at its neighbour."""
    return torch.tanh(scaled * 0.7 + timestep / 1000) * 0.8 + 0.3 * scaled.roll(1, -1)


def euler(x: Tensor, s: Tensor, d: Denoiser, noise: Callable[[], Tensor]) -> Tensor:
    for i in range(STEPS):
        x = x + (x - d(x, i)) / s[i] * (s[i + 1] - s[i])
    return x


def euler_a(x: Tensor, s: Tensor, d: Denoiser, noise: Callable[[], Tensor]) -> Tensor:
    for i in range(STEPS):
        up = (s[i + 1] ** 2 * (s[i] ** 2 - s[i + 1] ** 2) / s[i] ** 2) ** 0.5
        down = (s[i + 1] ** 2 - up**2) ** 0.5
        x = x + (x - d(x, i)) / s[i] * (down - s[i])
        x = x + noise() * up if s[i + 1] > 0 else x
    return x


def heun(x: Tensor, s: Tensor, d: Denoiser, noise: Callable[[], Tensor]) -> Tensor:
    for i in range(STEPS):
        slope = (x - d(x, i)) / s[i]
        there = x + slope * (s[i + 1] - s[i])
        if s[i + 1] > 0:
            slope = (slope + (there - d(there, i + 1)) / s[i + 1]) / 2
        x = x + slope * (s[i + 1] - s[i])
    return x


def dpmpp_2m(x: Tensor, s: Tensor, d: Denoiser, noise: Callable[[], Tensor]) -> Tensor:
    before: Tensor | None = None
    for i in range(STEPS):
        clean = bent = d(x, i)
        h = s[i].log() - s[i + 1].log()
        if before is not None and s[i + 1] > 0:
            r = (s[i - 1].log() - s[i].log()) / h
            bent = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * before
        x, before = s[i + 1] / s[i] * x - (-h).expm1() * bent, clean
    return x


@pytest.mark.parametrize("first_step", [0, 3])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("formula", [euler, euler_a, heun, dpmpp_2m])
def test_k_diffusions_own_steps_end_in_the_same_latents(
    formula: Callable[..., Tensor], schedule: str, first_step: int
) -> None:
    """In single precision, a dozen operations a step: 1e-4 of the largest latent is a thousand roundings."""
    name = named(formula.__name__, schedule)
    ours = Sampler(name, CONFIG, STEPS + first_step, torch.device("cpu"), first_step)
    sigmas = Sampler(named("euler", schedule), CONFIG, STEPS + first_step, torch.device("cpu"), first_step)
    s, timesteps = sigmas.scheduler.sigmas, sigmas.timesteps
    generators = [Generator().manual_seed(seed) for seed in SEEDS]
    first = start_noise(generators, 64, 64)
    picture = torch.linspace(-1, 1, 2 * 4 * 64).reshape(2, 4, 8, 8)

    def clean(x: Tensor, i: int) -> Tensor:
        answer = predicted(x / (s[i] ** 2 + 1) ** 0.5, timesteps[i])
        return x.sub(s[i] * answer)

    noisy = picture + first * s[0] if first_step else first * s[0]
    wanted = formula(noisy, s, clean, lambda: start_noise(generators, 64, 64))
    noise = ours.noise(SEEDS, 64, 64)
    x = ours.noisy(picture, noise) if first_step else ours.start(noise)
    for timestep in ours.timesteps:
        x = ours.step(predicted(ours.scaled(x, timestep), timestep), timestep, x)
    assert (x - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_2m_sde_takes_its_noise_from_one_path_as_a1111_does() -> None:
    """The first step of two: x s1/s0 e^-h - expm1(-2h) clean + s1 sqrt(-expm1(-2h)) of the path's noise."""
    ours = Sampler("dpmpp_2m_sde", CONFIG, 2, torch.device("cpu"))
    noise = ours.noise(SEEDS, 64, 64)
    s0, s1 = ours.scheduler.sigmas[:2]
    path = ours._brownian(SEEDS, noise)(s0, s1)
    h = s0.log() - s1.log()
    x = noise * s0
    clean = x - s0 * 0.25 * x / (s0**2 + 1) ** 0.5
    added = s1 * (-(-2 * h).expm1()).sqrt() * path
    wanted = s1 / s0 * (-h).exp() * x - (-2 * h).expm1() * clean + added
    start = ours.start(noise)
    found = ours.step(0.25 * ours.scaled(start, ours.timesteps[0]), ours.timesteps[0], start)
    assert torch.allclose(found * (s1**2 + 1) ** 0.5, wanted, rtol=1e-4, atol=1e-5)
