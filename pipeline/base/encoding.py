"""Pictures -> the VAE's posterior, once, kept by content."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

LATENTS = "latents.safetensors"
"""File in data/encoded/ with the moments of every picture, by id."""
LATENT_MASKS = "masks.safetensors"
"""File in data/encoded/ with the masks of the pictures that have one, by id; absent where none has."""
CELL_PX = 8
"""Side of the square of pixels that a latent stands for."""


def pixels(picture: Image.Image) -> Tensor:
    """[3, height, width] in -1..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def unpixels(images: Tensor) -> list[Image.Image]:
    """Pictures of [batch, 3, height, width] in -1..1, rounded to the nearest of 256 levels; NaN is black."""
    levels = ((images.float().nan_to_num(-1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [Image.fromarray(array) for array in levels.permute(0, 2, 3, 1).cpu().numpy()]


def mask_cells(mask: Image.Image) -> Tensor:
    """[1, height/8, width/8] in 0..1: of a grey mask, the mean over what each latent stands for."""
    levels = torch.from_numpy(np.array(mask)).float()[None] / 255
    return torch.nn.functional.avg_pool2d(levels, CELL_PX)


@torch.no_grad()
def moments(vae: AutoencoderKL, picture: Image.Image) -> Tensor:
    """[8, height/8, width/8]: mean and standard deviation of the latents, times the scaling factor.

    Both are kept, so that training can draw a fresh sample each time, as the VAE was meant to be used.
    """
    posterior = vae.encode(pixels(picture)[None].to(vae.device)).latent_dist
    both = torch.cat([posterior.mean, posterior.std], dim=1)[0] * vae.config.scaling_factor
    result: Tensor = both.float().cpu()
    return result


def non_finite(encoded: Mapping[str, Tensor]) -> Iterator[str]:
    """Ids whose latents hold NaN or infinity."""
    return (picture_id for picture_id, tensor in encoded.items() if not tensor.isfinite().all())
