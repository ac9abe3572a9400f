"""What is added to the latents and how the error counts: pure functions on tensors.

Shapes: latents and noise [batch, 4, height/8, width/8], timesteps [batch] in 0..999, per-picture losses
[batch].
"""

import torch
from torch import Generator, Tensor


def offset_noise(shape: torch.Size, offset: float, generator: Generator) -> Tensor:
    """N(0,1) plus `offset` times one N(0,1) per picture and channel (crosslabs.org, "Diffusion with offset
    noise").
    """
    noise = torch.randn(shape, generator=generator)
    if offset:
        noise = noise + offset * torch.randn((*shape[:2], 1, 1), generator=generator)
    return noise


def signal_to_noise(alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """SNR(t) = alpha_bar / (1 - alpha_bar)."""
    alpha_bar = alphas_cumprod[timesteps]
    return alpha_bar / (1 - alpha_bar)


def min_snr_weight(snr: Tensor, gamma: float, prediction_type: str) -> Tensor:
    """min(SNR, gamma) / SNR for epsilon, / (SNR + 1) for v-prediction (Hang et al. 2023, arXiv
    2303.09556).
    """
    return snr.clamp(max=gamma) / (snr if prediction_type == "epsilon" else snr + 1)


def add_noise(latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise."""
    alpha_bar = alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise


def target(
    latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor, prediction_type: str
) -> Tensor:
    """What the U-Net should answer: the noise, or v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0
    (Salimans & Ho 2022).
    """
    if prediction_type == "epsilon":
        return noise
    alpha_bar = alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * latents
