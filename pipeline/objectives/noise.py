"""The noise added to latents, the same for every objective. Pure functions on tensors.

Shapes: latents and noise [batch, channels, h, w]. Random numbers come from a generator on the CPU, so every
device gets the same. The kinds of noise and their order are those of kohya-ss/sd-scripts
(library/train_util.py, get_noise_noisy_latents_and_timesteps; library/custom_train_functions.py).
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from pipeline.schemas import NoiseConfig


def make_noise(latents: Tensor, config: NoiseConfig, generator: Generator) -> Tensor:
    """N(0, 1), plus `offset` and pyramid noise if the settings ask for them."""
    noise = _normal(latents.shape, latents, generator)
    if config.offset:
        strength = offset_strength(latents, config, generator)
        noise = noise + strength * _normal((*latents.shape[:2], 1, 1), latents, generator)
    if config.pyramid_iterations:
        noise = pyramid(noise, config, generator)
    return noise


def offset_strength(latents: Tensor, config: NoiseConfig, generator: Generator) -> float | Tensor:
    """The factor of one N(0, 1) per picture and channel (crosslabs.org, "Diffusion with offset noise"):
    `offset`, optionally reduced at random, and raised by `offset_adaptive` times |channel mean|.
    """
    strength = config.offset
    if config.offset_random_strength:
        strength *= torch.rand(1, generator=generator).item()
    if not config.offset_adaptive:
        return strength
    mean = latents.mean(dim=(2, 3), keepdim=True).abs()
    return (strength + config.offset_adaptive * mean).clamp(min=0)


def pyramid(noise: Tensor, config: NoiseConfig, generator: Generator) -> Tensor:
    """Adds N(0, 1) at ever smaller sizes, enlarged, the i-th times discount^i, and scales the sum to standard
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


def perturbed(noise: Tensor, config: NoiseConfig, generator: Generator) -> Tensor:
    """The input's noise: adds `perturbation` times extra noise that the target excludes (Ning et al. 2023,
    arXiv 2301.11706).
    """
    if not config.perturbation:
        return noise
    strength = config.perturbation
    if config.perturbation_random_strength:
        strength *= torch.rand(1, generator=generator).item()
    return noise + strength * _normal(noise.shape, noise, generator)


def _normal(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    """N(0, 1) from the CPU, copied to `like`'s device without waiting for it."""
    return torch.randn(shape, generator=generator).to(like.device, non_blocking=True)
