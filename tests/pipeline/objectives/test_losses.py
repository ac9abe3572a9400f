import math

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from pipeline.bases.latents import latent_mask
from pipeline.objectives.losses import huber_c, masked, point_losses, prior_weights
from tests.pipeline.training.settings import noise as settings
from tests.pipeline.training.settings import train as train_settings

pytestmark = pytest.mark.usefixtures("root")


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
    answer = torch.tensor([3.0, 0.5]).view(1, 1, 1, 2)
    bend = torch.tensor([4.0]) if loss in ("smooth_l1", "huber") else None
    found = point_losses(answer, torch.zeros_like(answer), bend, settings(loss=loss))
    assert found.flatten().tolist() == pytest.approx(wanted, rel=1e-5)


def test_a_large_c_makes_huber_the_square() -> None:
    answer = torch.tensor([3.0, 0.5], dtype=torch.float64).view(1, 1, 1, 2)
    bend = torch.tensor([1000.0], dtype=torch.float64)
    found = point_losses(answer, torch.zeros_like(answer), bend, settings(loss="huber"))
    assert found.flatten().tolist() == pytest.approx([9.0, 0.25], rel=1e-5)


def test_the_bend_by_hand() -> None:
    """constant: 2 * 3; exponential: 0.01^(t / 1000) 3; snr: at sigma 1 0.99 / 4 + 0.01; the scale unused."""
    levels, sigma = torch.tensor([0, 500, 999]), torch.tensor([0.0, 1.0, math.inf])
    constant = settings(loss="huber", huber_schedule="constant", huber_c=2.0, huber_scale=3.0)
    assert huber_c(levels, 1000, sigma, constant).tolist() == [6.0, 6.0, 6.0]
    exponential = settings(loss="huber", huber_schedule="exponential", huber_c=0.01, huber_scale=3.0)
    assert huber_c(levels, 1000, sigma, exponential)[:2].tolist() == pytest.approx([3.0, 0.3], rel=1e-5)
    snr = settings(loss="huber", huber_schedule="snr", huber_c=0.01, huber_scale=3.0)
    assert huber_c(levels, 1000, sigma, snr).tolist() == pytest.approx([1.0, 0.2575, 0.01])


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
    assert torch.allclose(latent_mask(picture, 8), F.interpolate(mask / 255, size=(4, 6), mode="area")[0])
