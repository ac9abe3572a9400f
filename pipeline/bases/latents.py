"""Encodes pictures to latents and decodes latents to pictures, with the VAE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from pipeline.bases.base import Base

LATENTS = "latents.safetensors"
"""File in data/encoded/ with the moments of every picture, by id."""
LATENT_MASKS = "masks.safetensors"
"""File in data/encoded/ with the masks of the pictures that have one, by id; absent if no picture has one."""


@dataclass(frozen=True)
class Latents:
    """Shape and scale of a VAE's latents: [channels, height / cell_px, width / cell_px], scaled to std 1.

    shift is subtracted before scaling.
    """

    channels: int
    cell_px: int
    scale: float
    shift: float

    @classmethod
    def of(cls, vae: Mapping[str, Any]) -> "Latents":
        """From a VAE's configuration."""
        halvings = len(vae["block_out_channels"]) - 1
        scale, shift = vae.get("scaling_factor", 0.18215), vae.get("shift_factor") or 0.0
        return cls(vae.get("latent_channels", 4), 2**halvings, scale, shift)

    def scaled(self, latents: Tensor) -> Tensor:
        """From the VAE's latents to the denoiser's."""
        return ((latents - self.shift) if self.shift else latents) * self.scale

    def unscaled(self, latents: Tensor) -> Tensor:
        """From the denoiser's latents to the VAE's."""
        plain = latents / self.scale
        return plain + self.shift if self.shift else plain

    def shape(self, width_px: int, height_px: int) -> tuple[int, int, int]:
        """[channels, height, width] of a picture's latents."""
        return self.channels, height_px // self.cell_px, width_px // self.cell_px


def pixels(picture: Image.Image) -> Tensor:
    """[3, height, width] in -1..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def unpixels(images: Tensor) -> list[Image.Image]:
    """Pictures from [batch, 3, height, width] in -1..1, rounded to 256 levels; NaN becomes black."""
    levels = ((images.float().nan_to_num(-1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [Image.fromarray(array) for array in levels.permute(0, 2, 3, 1).cpu().numpy()]


def latent_mask(mask: Image.Image, cell_px: int) -> Tensor:
    """[1, height, width] in 0..1: the mean of a grey mask over each latent pixel."""
    levels = torch.from_numpy(np.array(mask)).float()[None] / 255
    return torch.nn.functional.avg_pool2d(levels, cell_px)


@torch.no_grad()
def moments(base: "Base", picture: Image.Image) -> Tensor:
    """[2 channels, height, width]: mean and std of the latents, scaled.

    Both are stored, so that training draws a fresh sample each time, as the VAE is meant to be used.
    """
    posterior = base.vae.encode(pixels(picture)[None].to(base.vae.device, base.vae.dtype)).latent_dist
    latents = base.latents
    mean, std = posterior.mean.float(), posterior.std.float()
    both: Tensor = torch.cat([latents.scaled(mean), std * latents.scale], dim=1)[0]
    return both.cpu()


@torch.no_grad()
def encoded(base: "Base", picture: Tensor) -> Tensor:
    """[batch, channels, h, w] scaled latents of pictures in -1..1: the posterior's mean."""
    return base.latents.scaled(base.vae.encode(picture).latent_dist.mean)


def decoded(base: "Base", latents: Tensor) -> list[Image.Image]:
    """Pictures from scaled latents. A card decodes one at a time: one keeps it busy, and a batch takes more
    memory than all that came before.
    """
    whole = base.latents.unscaled(latents)
    portions = [whole] if whole.device.type == "cpu" else whole.split(1)
    return [picture for each in portions for picture in unpixels(base.vae.decode(each).sample)]
