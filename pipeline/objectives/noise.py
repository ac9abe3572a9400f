"""The noise that is added to latents, the same for every objective: pure functions on tensors.

Shapes: latents and noise [batch, channels, h, w]. What is drawn comes from a generator on the CPU, so that
every device sees the same; the kinds of noise and their order are those of kohya-ss/sd-scripts
(library/train_util.py, get_noise_noisy_latents_and_timesteps; library/custom_train_functions.py).
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from pipeline.config.schemas import Noise


def make_noise(latents: Tensor, config: Noise, generator: Generator) -> Tensor:
    """N(0, 1), with an offset by channel and noise of smaller sizes as the settings say."""
    noise = _normal(latents.shape, latents, generator)
    if config.offset:
        strength = offset_strength(latents, config, generator)
        noise = noise + strength * _normal((*latents.shape[:2], 1, 1), latents, generator)
    if config.pyramid_iterations:
        noise = pyramid(noise, config, generator)
    return noise


def offset_strength(latents: Tensor, config: Noise, generator: Generator) -> float | Tensor:
    """What one N(0, 1) per picture and channel is multiplied by (crosslabs.org, "Diffusion with offset
    noise"): `offset`, by chance less, and more where a channel's mean is far from zero.
    """
    strength = config.offset
    if config.offset_random_strength:
        strength *= torch.rand(1, generator=generator).item()
    if not config.offset_adaptive:
        return strength
    mean = latents.mean(dim=(2, 3), keepdim=True).abs()
    return (strength + config.offset_adaptive * mean).clamp(min=0)


def pyramid(noise: Tensor, config: Noise, generator: Generator) -> Tensor:
    """Adds N(0, 1) of ever smaller sizes, enlarged, the i-th times discount^i, and brings the sum back to
    deviation 1 (wandb.ai/johnowhitaker, "Multi-Resolution Noise for Diffusion Model Training").
    """
    batch, channels, height, width = noise.shape
    total = noise
    for level in range(config.pyramid_iterations):
        ratio = (2 + 2 * torch.rand(1, generator=generator).item()) ** level
        small = (max(1, int(height / ratio)), max(1, int(width / ratio)))
        added = _normal((batch, channels, *small), noise, generator)
        enlarged = F.interpolate(added, size=(height, width), mode="bilinear")
        total = total + enlarged * config.pyramid_discount**level
        if 1 in small:
            break
    one_each = config.pyramid_deviation == "picture"
    return total / (total.std(dim=(1, 2, 3), keepdim=True) if one_each else total.std())


def perturbed(noise: Tensor, config: Noise, generator: Generator) -> Tensor:
    """The noise that goes into the input: with `perturbation` times further noise that the answer need not
    name (Ning et al. 2023, arXiv 2301.11706).
    """
    if not config.perturbation:
        return noise
    strength = config.perturbation
    if config.perturbation_random_strength:
        strength *= torch.rand(1, generator=generator).item()
    return noise + strength * _normal(noise.shape, noise, generator)


def _normal(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    """N(0, 1) from the CPU, on `like`'s device, which need not be done with the step before."""
    return torch.randn(shape, generator=generator).to(like.device, non_blocking=True)
