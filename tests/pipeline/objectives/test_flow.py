"""Numbers worked out by hand: x_0 0.5, noise -1.2."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import compute_loss_weighting_for_sd3

from pipeline.objectives import flow


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


LATENTS, NOISE = one(0.5).view(1, 1, 1, 1), one(-1.2).view(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("u", "sigma", "x"), [(0.1, 0.25, 0.075), (0.5, 0.75, -0.775), (0.9, 27 / 28, -1.13928571)]
)
def test_shifted_levels_and_noisy_latents(u: float, sigma: float, x: float) -> None:
    assert float(flow.shifted(one(u), 3)) == pytest.approx(sigma, abs=1e-12)
    assert float(flow.noisy(LATENTS, NOISE, one(sigma))) == pytest.approx(x, abs=1e-8)
    assert float(flow.shifted(one(u), 1)) == u


def test_the_answer_is_noise_less_latents_and_leads_back_to_them() -> None:
    velocity = flow.target(LATENTS, NOISE)
    assert float(velocity) == pytest.approx(-1.7)
    assert float(flow.clean(flow.noisy(LATENTS, NOISE, one(0.3)), velocity, one(0.3))) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scale", "u", "found"), [(1.29, 0.1, 0.802569), (1.75, 0.1, 0.767826), (1.29, 0.9, 0.197431)]
)
def test_mode(scale: float, u: float, found: float) -> None:
    assert float(flow.mode(one(u), scale)) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 0.9, 0.25])
def test_weights_are_those_of_diffusers(sigma: float) -> None:
    for scheme, weight in (("sigma_sqrt", flow.sigma_sqrt_weight), ("cosmap", flow.cosmap_weight)):
        theirs = compute_loss_weighting_for_sd3(scheme, one(sigma))
        assert float(weight(one(sigma))) == pytest.approx(float(theirs), rel=1e-6)  # theirs is float32


def test_logit_normal_has_its_middle_at_the_sigmoid_of_the_mean() -> None:
    drawn = flow.logit_normal(10_001, 1.0, 1.0, torch.Generator().manual_seed(0))
    assert float(drawn.median()) == pytest.approx(0.731059, abs=0.01)  # some 2 standard errors of the median


def test_levels_of_a_drawing_are_those_of_diffusers() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(4)
    assert flow.sigmas(4, 3.0).tolist() == pytest.approx([1, 0.857692, 0.602151, 0.008929, 0], abs=1e-5)
    assert flow.sigmas(4, 3.0).tolist() == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)
