import math

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from PIL import Image
from torch.nn import functional as F

from pipeline.bases.latents import mask_cells
from pipeline.errors import UserError
from pipeline.objectives.losses import (
    check_prediction,
    huber_c,
    masked,
    min_snr_weight,
    noise_weights,
    point_losses,
    prior_weights,
    signal_to_noise,
)
from tests.pipeline.training.settings import noise as settings
from tests.pipeline.training.settings import train as train_settings

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
    found = noise_weights(signal_to_noise(ALPHAS), settings("min_snr"), "epsilon")
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
def test_weights_by_hand(changes: dict[str, object], prediction: str, wanted: list[float]) -> None:
    found = noise_weights(SNR, settings(**changes), prediction)
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
    found = noise_weights(snr, settings(debiased=form), "v_prediction")
    assert found is not None
    assert found.tolist() == pytest.approx(weights, rel=1e-4)  # float32 through 900 factors
    plain = noise_weights(snr, settings(debiased=form), "epsilon")
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
        weights = noise_weights(signal_to_noise(alphas)[steps], config, prediction)
        assert weights is not None
        error = point_losses(answer, wanted, alphas, steps, config).mean(dim=(1, 2, 3))
        losses.append((error * weights).tolist())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_without_a_weight_there_is_none() -> None:
    assert noise_weights(SNR, settings(), "epsilon") is None


def test_a_boundless_snr_counts_as_1000() -> None:
    found = noise_weights(torch.tensor([math.inf]), settings("debiased"), "epsilon")
    assert found is not None
    assert found.item() == pytest.approx(1000**-0.5)
    exact = noise_weights(torch.tensor([math.inf]), settings(debiased="exact"), "v_prediction")
    assert exact is not None
    assert exact.item() == pytest.approx(1000**0.5 / 1001)


def test_zero_snr_is_no_nan_with_v_prediction() -> None:
    config = settings("zero_snr", min_snr_gamma=5.0, debiased=True, scale_v_prediction=True)
    found = noise_weights(torch.tensor([0.0]), config, "v_prediction")
    assert found is not None
    assert found.item() == 0.0


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        ("l2", [9.0, 0.25]),
        ("l1", [3.0, 0.5]),
        # c = 4: 2 (sqrt(9 + 16) - 4) = 2, times 4; 2 (sqrt(0.25 + 16) - 4) = 0.06225...
        ("smooth_l1", [2.0, 2 * (math.sqrt(16.25) - 4)]),
        ("huber", [8.0, 8 * (math.sqrt(16.25) - 4)]),
    ],
)
def test_losses_by_hand(loss: str, wanted: list[float]) -> None:
    config = settings(loss=loss, huber_schedule="constant", huber_c=2.0, huber_scale=2.0)
    answer = torch.tensor([3.0, 0.5]).view(1, 1, 1, 2)
    found = point_losses(answer, torch.zeros_like(answer), ALPHAS, torch.tensor([5]), config)
    assert found.flatten().tolist() == pytest.approx(wanted, rel=1e-5)


def test_a_large_c_makes_huber_the_square() -> None:
    config = settings(loss="huber", huber_schedule="constant", huber_c=1000.0)
    answer = torch.tensor([3.0, 0.5], dtype=torch.float64).view(1, 1, 1, 2)
    found = point_losses(answer, torch.zeros_like(answer), ALPHAS.double(), torch.tensor([5]), config)
    assert found.flatten().tolist() == pytest.approx([9.0, 0.25], rel=1e-5)


def test_the_bend_by_hand() -> None:
    """exponential: 0.01^(t / 1000) 3; snr: alpha_bar 0.5 is sigma 1, so 0.99 / 4 + 0.01; the scale unused."""
    steps = torch.tensor([0, 500])
    exponential = settings(loss="huber", huber_schedule="exponential", huber_c=0.01, huber_scale=3.0)
    assert huber_c(ALPHAS, steps, exponential).tolist() == pytest.approx([3.0, 0.3], rel=1e-5)
    snr = settings(loss="huber", huber_schedule="snr", huber_c=0.01, huber_scale=3.0)
    alphas = torch.tensor([1.0, 0.5, 0.0])
    assert huber_c(alphas, torch.arange(3), snr).tolist() == pytest.approx([1.0, 0.2575, 0.01])


def test_what_the_base_does_not_predict_is_an_error_that_names_both() -> None:
    config = settings(zero_terminal_snr=True, scale_v_prediction=True)
    with pytest.raises(UserError, match=r"noise\.zero_terminal_snr wants .* v_prediction.* predicts epsilon"):
        check_prediction(config, "epsilon")
    check_prediction(config, "v_prediction")
    with pytest.raises(UserError, match=r"noise\.v_prediction_like wants .* epsilon"):
        check_prediction(settings(v_prediction_like=1.0), "v_prediction")


def test_prior_preservations_forms_by_hand() -> None:
    """Losses .2 and .4 of the subject, .1 and .3 of the class, weight .5: (.2 + .4 + .05 + .15) / 4 = .2, and
    .3 + .5 * .2 = .4.
    """
    losses, is_class = torch.tensor([0.2, 0.4, 0.1, 0.3]), [False, False, True, True]
    for form, wanted in (("sd_scripts", 0.2), ("two_means", 0.4)):
        weights = prior_weights(is_class, 0.5, form)  # type: ignore[arg-type]
        assert float((losses * torch.tensor(weights)).mean()) == pytest.approx(wanted)
    assert prior_weights([False, False], 0.5, "two_means") == [1.0, 1.0]


@pytest.mark.parametrize("halves", [(2, 2), (3, 1)])
def test_two_means_is_the_loss_of_diffusers(halves: tuple[int, int]) -> None:
    """examples/dreambooth/train_dreambooth.py: mse(instance) + prior_loss_weight * mse(class)."""
    answer, wanted = torch.randn((2, 4, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    (own, prior), (own_wanted, prior_wanted) = answer.split(halves), wanted.split(halves)
    theirs = F.mse_loss(own, own_wanted) + 0.7 * F.mse_loss(prior, prior_wanted)
    weights = torch.tensor(prior_weights([False] * halves[0] + [True] * halves[1], 0.7, "two_means"))
    ours = ((answer - wanted).square().mean(dim=(1, 2, 3)) * weights).mean()
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)


LOSSES = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 4, 2, 2)
MASK = torch.tensor([[[[1.0, 0.0], [0.5, 0.0]]]])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        # sd-scripts: times the mask, and its mean (3/8) is not divided by.
        ({}, (1.0 + 1.5) / 4),
        # OneTrainer: at least 0.2 everywhere: 1, 0.2, 0.5, 0.2.
        ({"unmasked_weight": 0.2}, (1.0 + 0.4 + 1.5 + 0.8) / 4),
        ({"normalize_masked_area": True}, (1.0 + 1.5) / 4 / 0.375),
        ({"unmasked_weight": 1.0}, 2.5),
    ],
)
def test_a_masked_loss_by_hand(changes: dict[str, object], wanted: float) -> None:
    found = masked(LOSSES, MASK, train_settings(**changes)).mean(dim=(1, 2, 3))
    assert found.tolist() == pytest.approx([wanted])


def test_without_a_mask_and_with_an_empty_one() -> None:
    assert masked(LOSSES, None, train_settings()) is LOSSES
    empty = masked(LOSSES, torch.zeros(1, 1, 2, 2), train_settings(normalize_masked_area=True))
    assert empty.tolist() == torch.zeros_like(LOSSES).tolist()


def test_the_masks_cells_are_area_means_as_in_torch() -> None:
    mask = torch.rand((1, 1, 32, 48), generator=torch.Generator().manual_seed(0)).mul(255).round()
    picture = Image.fromarray(mask[0, 0].to(torch.uint8).numpy())
    assert torch.allclose(mask_cells(picture, 8), F.interpolate(mask / 255, size=(4, 6), mode="area")[0])
