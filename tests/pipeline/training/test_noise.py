import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from pipeline.training.noise import add_noise, min_snr_weight, offset_noise, signal_to_noise, target

SCHEDULER = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
ALPHAS = SCHEDULER.alphas_cumprod
TIMESTEPS = torch.tensor([0, 250, 999])


def batch(seed: int) -> torch.Tensor:
    return torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(seed))


def test_noising_and_targets_are_diffusers() -> None:
    x, noise = batch(0), batch(1)
    assert torch.allclose(
        add_noise(x, noise, ALPHAS, TIMESTEPS), SCHEDULER.add_noise(x, noise, TIMESTEPS), atol=1e-6
    )
    assert torch.equal(target(x, noise, ALPHAS, TIMESTEPS, "epsilon"), noise)
    wanted = SCHEDULER.get_velocity(x, noise, TIMESTEPS)
    assert torch.allclose(target(x, noise, ALPHAS, TIMESTEPS, "v_prediction"), wanted, atol=1e-6)


def test_signal_to_noise_is_diffusers() -> None:
    assert torch.allclose(signal_to_noise(ALPHAS, TIMESTEPS), compute_snr(SCHEDULER, TIMESTEPS), rtol=1e-5)


def test_min_snr_by_hand() -> None:
    snr = torch.tensor([0.5, 5.0, 20.0])
    assert min_snr_weight(snr, 5.0, "epsilon").tolist() == pytest.approx([1.0, 1.0, 0.25])
    assert min_snr_weight(snr, 5.0, "v_prediction").tolist() == pytest.approx([0.5 / 1.5, 5 / 6, 5 / 21])


def test_offset_noise_moves_whole_channels() -> None:
    shape = torch.Size((2, 4, 64, 64))
    plain = offset_noise(shape, 0.0, torch.Generator().manual_seed(3))
    moved = offset_noise(shape, 0.1, torch.Generator().manual_seed(3)) - plain
    assert moved.std(dim=(2, 3)).max() < 1e-6
    generator = torch.Generator().manual_seed(3)
    torch.randn(shape, generator=generator)
    assert torch.allclose(
        moved[:, :, :1, :1], 0.1 * torch.randn((2, 4, 1, 1), generator=generator), atol=1e-6
    )
