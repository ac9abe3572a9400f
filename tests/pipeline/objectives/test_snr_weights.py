import math
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from pipeline.objectives.snr_weights import min_snr_weight, signal_to_noise, snr_weights
from tests.pipeline.training.settings import noise as settings

pytestmark = pytest.mark.usefixtures("root")
SCHEDULER = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
ALPHAS = SCHEDULER.alphas_cumprod
TIMESTEPS = torch.tensor([0, 250, 999])
SNR = torch.tensor([0.5, 5.0, 20.0])


def test_signal_to_noise_is_diffusers() -> None:
    assert torch.allclose(signal_to_noise(ALPHAS)[TIMESTEPS], compute_snr(SCHEDULER, TIMESTEPS), rtol=1e-5)


def test_min_snr_by_hand() -> None:
    assert min_snr_weight(SNR, 5.0, "epsilon").tolist() == pytest.approx([1.0, 1.0, 0.25])
    assert min_snr_weight(SNR, 5.0, "v_prediction").tolist() == pytest.approx([0.5 / 1.5, 5 / 6, 5 / 21])


def test_min_snr_is_what_diffusers_scripts_do_with_compute_snr() -> None:
    """examples/text_to_image/train_text_to_image_lora.py: min(snr, gamma) / snr, of all timesteps."""
    steps = torch.arange(1000)
    snr = compute_snr(SCHEDULER, steps)
    wanted = torch.stack([snr, 5.0 * torch.ones_like(snr)], dim=1).min(dim=1)[0] / snr
    found = snr_weights(signal_to_noise(ALPHAS), settings("min_snr"), "epsilon")
    assert found is not None
    assert torch.allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "prediction", "wanted"),
    [
        ({"debiased": True}, "epsilon", [0.5**-0.5, 5**-0.5, 20**-0.5]),
        ({"debiased": True}, "v_prediction", [1 / 1.5, 1 / 6, 1 / 21]),
        ({"scale_v_prediction": True}, "v_prediction", [0.5 / 1.5, 5 / 6, 20 / 21]),
        ({"v_prediction_like": 0.5}, "epsilon", [1 + 1.5, 1 + 0.6, 1 + 0.525]),
        ({"min_snr_gamma": 5.0, "v_prediction_like": 0.5}, "epsilon", [2.5, 1.6, 0.25 * 1.525]),
    ],
)
def test_weights_by_hand(changes: dict[str, Any], prediction: str, wanted: list[float]) -> None:
    found = snr_weights(SNR, settings(**changes), prediction)
    assert found is not None
    assert found.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("form", "weights"),
    [
        ("exact", [0.3075566, 0.4471853, 0.1181142]),  # sqrt(SNR) / (SNR + 1)
        ("onetrainer", [0.3252331, 0.8506864, 0.9928992]),  # 1 / sqrt(SNR + 1)
        ("sd_scripts", [0.1057765, 0.7236673, 0.9858489]),  # 1 / (SNR + 1)
        (True, [0.1057765, 0.7236673, 0.9858489]),
    ],
)
def test_debiased_v_prediction_has_three_forms_and_epsilon_one(
    form: str | bool, weights: list[float]
) -> None:
    """alpha_bar .894223478, .276332684, .014151142: SNR 8.4538937, .38185044, .014354271."""
    snr = signal_to_noise(ALPHAS)[torch.tensor([100, 500, 900])]
    found = snr_weights(snr, settings(debiased=form), "v_prediction")
    assert found is not None
    assert found.tolist() == pytest.approx(weights, rel=1e-4)  # float32 through 900 factors
    plain = snr_weights(snr, settings(debiased=form), "epsilon")
    assert plain is not None
    assert plain.tolist() == pytest.approx([0.3439311, 1.618279, 8.346597], rel=1e-4)


def test_exact_debiasing_of_v_prediction_is_the_loss_of_noise_prediction() -> None:
    """noise = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t, so the same answer has both errors."""
    steps = torch.tensor([20, 100, 500, 900, 999])
    alphas = ALPHAS.double()
    draw = torch.randn((3, 5, 4, 8, 8), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    picture, noise, answer_v = draw
    root, rest = (values[steps].sqrt().view(-1, 1, 1, 1) for values in (alphas, 1 - alphas))
    wanted_v = root * noise - rest * picture
    answer_noise = root * answer_v + rest * (root * picture + rest * noise)
    losses = []
    for answer, wanted, prediction in (
        (answer_v, wanted_v, "v_prediction"),
        (answer_noise, noise, "epsilon"),
    ):
        config = settings(debiased="exact")
        weights = snr_weights(signal_to_noise(alphas)[steps], config, prediction)
        assert weights is not None
        error = (answer - wanted).square().mean(dim=(1, 2, 3))
        losses.append((error * weights).tolist())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_without_a_weight_there_is_none() -> None:
    assert snr_weights(SNR, settings(), "epsilon") is None


def test_a_boundless_snr_counts_as_1000() -> None:
    found = snr_weights(torch.tensor([math.inf]), settings("debiased"), "epsilon")
    assert found is not None
    assert found.item() == pytest.approx(1000**-0.5)
    exact = snr_weights(torch.tensor([math.inf]), settings(debiased="exact"), "v_prediction")
    assert exact is not None
    assert exact.item() == pytest.approx(1000**0.5 / 1001)


def test_zero_snr_is_no_nan_with_v_prediction() -> None:
    config = settings("zero_snr", min_snr_gamma=5.0, debiased=True, scale_v_prediction=True)
    found = snr_weights(torch.tensor([0.0]), config, "v_prediction")
    assert found is not None
    assert found.item() == 0.0
