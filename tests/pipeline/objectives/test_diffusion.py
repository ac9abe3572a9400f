from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from torch import Generator, Tensor

from pipeline.errors import UserError
from pipeline.objectives.diffusion import Diffusion
from pipeline.objectives.zero_snr import zero_terminal
from pipeline.schemas.samplers import A1111_NAMES
from tests.pipeline.training.settings import noise as settings

pytestmark = pytest.mark.usefixtures("root")
CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULER = DDPMScheduler.from_config(CONFIG)
ALPHAS = SCHEDULER.alphas_cumprod
TIMESTEPS = torch.tensor([0, 250, 999])
SHAPE = (3, 4, 8, 8)


def diffusion(prediction: str = "epsilon", **changes: Any) -> Diffusion:
    return Diffusion.of({**CONFIG, "prediction_type": prediction}, settings(**changes))


def batch(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=Generator().manual_seed(seed))


def test_noising_and_targets_are_diffusers() -> None:
    x, noise, epsilon, v = batch(0), batch(1), diffusion(), diffusion("v_prediction")
    expected = SCHEDULER.add_noise(x, noise, TIMESTEPS)
    assert torch.allclose(epsilon.noisy(x, noise, TIMESTEPS), expected, atol=1e-6)
    assert torch.equal(epsilon.target(x, noise, TIMESTEPS), noise)
    velocity = SCHEDULER.get_velocity(x, noise, TIMESTEPS)
    assert torch.allclose(v.target(x, noise, TIMESTEPS), velocity, atol=1e-6)


def test_a_step_draws_noise_then_levels_then_perturbation() -> None:
    objective, generator = diffusion(perturbation=0.1), Generator().manual_seed(5)
    noise = torch.randn(SHAPE, generator=generator)
    levels = torch.randint(0, 1000, (3,), generator=generator)
    more = torch.randn(SHAPE, generator=generator)
    drawn = objective.draw(batch(0), Generator().manual_seed(5))
    assert torch.equal(drawn.noise, noise)
    assert torch.equal(drawn.levels, levels)
    assert torch.equal(drawn.noisy, objective.noisy(batch(0), noise + 0.1 * more, levels))
    second = drawn.rows(slice(1, 2))
    assert torch.equal(second.noisy, drawn.noisy[1:2])
    assert torch.equal(second.levels, levels[1:2])


def test_the_tables_by_hand() -> None:
    """alpha_bar 0.5 and 0.8: SNR 1 and 4, sigma 1 and 0.5; min-SNR of 2: 1 and 2 / 4."""
    objective = Diffusion(torch.tensor([0.8, 0.5]), "epsilon", settings(min_snr_gamma=2.0))
    levels = torch.tensor([1, 0])
    assert objective.sigma(levels).tolist() == pytest.approx([1.0, 0.5])
    weights = objective.weights(levels)
    assert weights is not None
    assert weights.tolist() == pytest.approx([1.0, 0.5])
    assert diffusion().weights(levels) is None


def test_the_tables_move_with_it_and_are_not_saved() -> None:
    assert {name for name, _ in diffusion().named_buffers()} == {"alphas", "snr"}
    assert not diffusion().state_dict()
    assert not list(diffusion().parameters())


def test_errors_are_weighed_by_the_levels_before_the_rescaling_or_after() -> None:
    before = diffusion("v_prediction", zero_terminal_snr=True)
    after = diffusion("v_prediction", zero_terminal_snr=True, snr_after_rescale=True)
    assert before.alphas[999] == after.alphas[999] == after.snr[999] == 0
    assert before.snr[999].item() == pytest.approx(0.00468, rel=0.01)


def test_headers_say_what_it_predicts_and_every_sampler_draws_it() -> None:
    assert diffusion().modelspec_prediction == "epsilon"
    assert diffusion("v_prediction").modelspec_prediction == "v"
    assert diffusion().samplers == A1111_NAMES.keys()
    assert torch.equal(diffusion().validation_levels([1, 999]), torch.tensor([1, 999]))


def test_what_the_base_does_not_predict_is_an_error_that_names_both() -> None:
    changes: dict[str, Any] = {"zero_terminal_snr": True, "scale_v_prediction": True}
    with pytest.raises(
        UserError, match=r"noise\.zero_terminal_snr requires .* v_prediction.* predicts epsilon"
    ) as raised:
        diffusion(**changes)
    assert "noise.scale_v_prediction" in str(raised.value)
    diffusion("v_prediction", **changes)
    with pytest.raises(UserError, match=r"noise\.v_prediction_like requires .* epsilon"):
        diffusion("v_prediction", v_prediction_like=1.0)
    with pytest.raises(UserError, match=r"predicts sample, .* predicts epsilon or v_prediction"):
        diffusion("sample")


def test_zero_terminal_snr_is_diffusers_and_ends_at_zero() -> None:
    wanted = (1 - rescale_zero_terminal_snr(SCHEDULER.betas)).cumprod(0)
    found = zero_terminal(ALPHAS)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert found[-1] == 0
    assert found[0].item() == pytest.approx(ALPHAS[0].item(), rel=1e-6)


def test_zero_terminal_snr_by_hand() -> None:
    """Roots 0.9, 0.5, 0.3: (root - 0.3) 0.9 / 0.6 is 0.9, 0.3, 0."""
    found = zero_terminal(torch.tensor([0.81, 0.25, 0.09]))
    assert found.tolist() == pytest.approx([0.81, 0.09, 0.0], abs=1e-6)


LEVELS = [100, 500, 900]


@pytest.mark.parametrize(
    ("zero", "noisy", "target"),
    [
        (False, [0.08253732, -0.75798688, -1.13199978], [-1.2973772, -1.05615145, -0.6391999]),
        (True, [0.06702849, -0.79996602, -1.1710177], [-1.29827084, -1.02472161, -0.56455075]),
    ],
)
def test_noisy_latents_and_v_by_hand(zero: bool, noisy: list[float], target: list[float]) -> None:
    """Latents 0.5, noise -1.2; alpha_bar .894223478, .276332684, .014151142; with zero terminal SNR
    .886761285, .241018783, .002960393, of which float32 keeps five digits.
    """
    scheduler = {**CONFIG, "prediction_type": "v_prediction", "rescale_betas_zero_snr": zero}
    by_file = Diffusion.of(scheduler, settings())
    by_setting = diffusion("v_prediction", zero_terminal_snr=zero)
    latents, noise = torch.full((3, 1, 1, 1), 0.5), torch.full((3, 1, 1, 1), -1.2)
    for made in (by_file, by_setting):
        levels = torch.tensor(LEVELS)
        assert made.noisy(latents, noise, levels).flatten().tolist() == pytest.approx(noisy, abs=2e-5)
        assert made.target(latents, noise, levels).flatten().tolist() == pytest.approx(target, abs=2e-5)
    if zero:
        last = torch.tensor([999] * 3)
        assert torch.equal(by_file.noisy(latents, noise, last), noise)
        assert torch.equal(by_file.target(latents, noise, last), -latents)


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({"min_snr_gamma": 5.0}, [0.566194, 0.241019, 0.002960, 0.0]),
        ({"debiased": True}, [0.113239, 0.758981, 0.997040, 1.0]),  # 1 / (SNR + 1) = 1 - alpha_bar
        ({"scale_v_prediction": True}, [0.886761, 0.241019, 0.002960, 0.0]),
    ],
)
def test_weights_with_zero_terminal_snr_by_hand(changes: dict[str, Any], weights: list[float]) -> None:
    """Of timesteps 100, 500, 900, 999: SNR 7.830902, .31755566, .0029691834, 0."""
    scheduler = {**CONFIG, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    found = Diffusion.of(scheduler, settings(**changes)).weights(torch.tensor([*LEVELS, 999]))
    assert found is not None
    assert found.tolist() == pytest.approx(weights, abs=2e-5)
    assert Diffusion.of(scheduler, settings()).weights(torch.tensor(LEVELS)) is None
