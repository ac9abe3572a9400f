"""Numbers worked out by hand: x_0 0.5, noise -1.2."""

from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import compute_loss_weighting_for_sd3
from torch import Generator

from pipeline.errors import UserError
from pipeline.objectives.diffusion import Diffusion
from pipeline.objectives.flow import Flow, cosmap_weight, sigma_sqrt_weight
from pipeline.objectives.flow_levels import shifted, sigmas
from tests.pipeline.training.settings import noise as settings

pytestmark = pytest.mark.usefixtures("root")


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


LATENTS, NOISE = one(0.5).view(1, 1, 1, 1), one(-1.2).view(1, 1, 1, 1)


def flow(shift: float = 3.0, **changes: Any) -> Flow:
    return Flow.of({"shift": shift}, settings(**changes))


@pytest.mark.parametrize(
    ("u", "sigma", "x"), [(0.1, 0.25, 0.075), (0.5, 0.75, -0.775), (0.9, 27 / 28, -1.13928571)]
)
def test_shifted_levels_and_noisy_latents(u: float, sigma: float, x: float) -> None:
    assert float(shifted(one(u), 3)) == pytest.approx(sigma, abs=1e-12)
    assert float(flow().noisy(LATENTS, NOISE, one(1000 * sigma))) == pytest.approx(x, abs=1e-8)
    assert float(shifted(one(u), 1)) == u


def test_the_target_is_noise_less_latents_and_leads_back_to_them() -> None:
    objective, levels = flow(), one(300)
    velocity = objective.target(LATENTS, NOISE, levels)
    assert float(velocity) == pytest.approx(-1.7)
    noisy = objective.noisy(LATENTS, NOISE, levels)
    assert float(objective.clean(noisy, velocity, levels)) == pytest.approx(0.5)


def test_uniform_levels_are_one_draw_shifted() -> None:
    u = torch.rand(5, generator=Generator().manual_seed(1))
    assert torch.equal(flow(1.0).draw_levels(5, Generator().manual_seed(1)), 1000 * u)
    expected = (3000 * u / (1 + 2 * u)).tolist()
    assert flow().draw_levels(5, Generator().manual_seed(1)).tolist() == pytest.approx(expected, rel=1e-6)


def test_logit_normal_levels_have_their_middle_at_the_shifted_sigmoid_of_the_mean() -> None:
    """sigmoid(1) is 0.731059, and 3 * 0.731059 / (1 + 2 * 0.731059) is 0.890768."""
    objective = flow(timestep_distribution="logit_normal", timestep_mean=1.0)
    drawn = objective.draw_levels(10_001, Generator().manual_seed(0))
    assert float(drawn.median()) == pytest.approx(890.768, abs=5)  # some 2 standard errors of the median


def test_the_range_is_that_of_levels_before_the_shift() -> None:
    objective = flow(min_timestep=200, max_timestep=500)
    drawn = objective.draw_levels(10_000, Generator().manual_seed(0))
    assert float(drawn.min()) == pytest.approx(3000 * 0.2 / 1.4, abs=1)
    assert float(drawn.max()) == pytest.approx(750, abs=1)


def test_a_step_is_drawn_with_the_noise_of_every_objective() -> None:
    latents = torch.ones(2, 16, 4, 4)
    objective, generator = flow(offset=0.1, perturbation=0.1), Generator().manual_seed(2)
    noise = torch.randn(latents.shape, generator=generator)
    noise = noise + 0.1 * torch.randn((2, 16, 1, 1), generator=generator)
    levels = objective.draw_levels(2, generator)
    seen = noise + 0.1 * torch.randn(latents.shape, generator=generator)
    drawn = objective.draw(latents, Generator().manual_seed(2))
    assert torch.equal(drawn.levels, levels)
    assert torch.equal(drawn.noise, noise)
    assert torch.equal(drawn.noisy, objective.noisy(latents, seen, levels))
    assert torch.equal(objective.target(latents, drawn.noise, levels), noise - 1)


def test_the_bend_of_huber_by_hand() -> None:
    """sigma 0.5 is as much noise as picture: 0.9 / 4 + 0.1 = 0.325; an error of 1 is 2 * 0.325 *
    (sqrt(1.105625) - 0.325). Pure noise has the bend 0.1: 0.2 (sqrt(1.01) - 0.1).
    """
    zeros = torch.zeros(2, 1, 1, 1)
    found = flow(loss="huber").point_losses(zeros + 1, zeros, torch.tensor([500.0, 1000.0]))
    assert found.flatten().tolist() == pytest.approx([0.4722166, 0.1809975], abs=1e-6)


def test_levels_of_validation_are_those_that_the_denoiser_reads() -> None:
    assert flow().validation_levels([0, 250, 999]).tolist() == [0.0, 250.0, 999.0]
    assert flow().weights(one(500)) is None
    assert flow().modelspec_prediction is None
    assert flow().samplers == {"euler", "heun"}


@pytest.mark.parametrize(
    "changes",
    [
        {"zero_terminal_snr": True},
        {"min_snr_gamma": 5.0},
        {"debiased": True},
        {"scale_v_prediction": True},
        {"v_prediction_like": 1.0},
    ],
)
def test_settings_of_diffusion_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"noise\.{next(iter(changes))} requires .* predicts flow"):
        flow(**changes)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 0.9, 0.25])
def test_weights_are_those_of_diffusers(sigma: float) -> None:
    for scheme, weight in (("sigma_sqrt", sigma_sqrt_weight), ("cosmap", cosmap_weight)):
        theirs = compute_loss_weighting_for_sd3(scheme, one(sigma))
        assert float(weight(one(sigma))) == pytest.approx(float(theirs), rel=1e-6)  # theirs is float32


def test_levels_of_a_drawing_are_those_of_diffusers() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(4)
    assert sigmas(4, 3.0).tolist() == pytest.approx([1, 0.857692, 0.602151, 0.008929, 0], abs=1e-5)
    assert sigmas(4, 3.0).tolist() == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)


def test_the_shift_of_the_settings_comes_before_that_of_the_base() -> None:
    u = torch.rand(3, generator=Generator().manual_seed(1))
    drawn = flow(3.0, flow_shift=1.0).draw_levels(3, Generator().manual_seed(1))
    assert torch.equal(drawn, 1000 * u)


def test_the_shift_by_area_is_the_bases_own_at_1024_px() -> None:
    """A quarter of the area halves it: 1.5 u / (1 + 0.5 u)."""
    objective = flow(3.0, flow_shift_by_area=True)
    u = torch.rand(2, generator=Generator().manual_seed(1))
    whole = objective.levels_of(torch.zeros(2, 16, 128, 128), Generator().manual_seed(1))
    quarter = objective.levels_of(torch.zeros(2, 16, 32, 128), Generator().manual_seed(1))
    assert whole.tolist() == pytest.approx((3000 * u / (1 + 2 * u)).tolist(), rel=1e-6)
    assert quarter.tolist() == pytest.approx((1500 * u / (1 + 0.5 * u)).tolist(), rel=1e-6)
    plain = flow(3.0).levels_of(torch.zeros(2, 16, 32, 128), Generator().manual_seed(1))
    assert torch.equal(plain, whole)


@pytest.mark.parametrize(("scheme", "precondition"), [(None, False), (None, True), ("cosmap", False),
                                                      ("sigma_sqrt", False)])  # fmt: skip
def test_a_steps_loss_and_gradient_are_those_of_diffusers_script(
    scheme: str | None, precondition: bool
) -> None:
    """train_dreambooth_sd3.py's formula, on an answer that is a parameter."""
    kind = "clean" if precondition else scheme
    objective = flow(3.0, flow_weighting=kind)
    generator = Generator().manual_seed(5)
    latents, noise, velocity = (torch.randn(3, 16, 4, 4, generator=generator) for _ in range(3))
    levels = objective.draw_levels(3, generator)
    sigmas_there = (levels / 1000).view(-1, 1, 1, 1)
    theirs, ours = (velocity.clone().requires_grad_() for _ in range(2))

    noisy = (1.0 - sigmas_there) * latents + sigmas_there * noise
    weighting = compute_loss_weighting_for_sd3(scheme or "none", sigmas_there)
    answer, target = theirs, noise - latents
    if precondition:
        answer, target = theirs * -sigmas_there + noisy, latents
    expected = torch.mean((weighting * (answer - target) ** 2).reshape(3, -1), 1).mean()
    expected.backward()

    points = objective.point_losses(ours, objective.target(latents, noise, levels), levels)
    losses, weights = points.mean(dim=(1, 2, 3)), objective.weights(levels)
    found = (losses if weights is None else losses * weights).mean()
    found.backward()
    assert torch.allclose(objective.noisy(latents, noise, levels), noisy, atol=1e-6)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"flow_shift": 1.0}, {"flow_shift_by_area": True}, {"flow_weighting": "clean"}]
)
def test_settings_of_a_flow_are_refused_for_diffusion(changes: dict[str, Any]) -> None:
    alphas = torch.linspace(0.99, 0.01, 1000)
    with pytest.raises(UserError, match=rf"noise\.{next(iter(changes))} requires a base that predicts flow"):
        Diffusion(alphas, "epsilon", settings(**changes))
