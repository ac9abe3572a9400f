"""A VAE that works in tiles: the memory of one tile, whatever the picture's width and height.

Neighbouring tiles overlap by a quarter and are blended there (diffusers' AutoencoderKL). A tile is normalised
by its own mean and deviation where the whole picture would be by the picture's, so its tones differ a little.
"""

from typing import Any

from torch import nn

from pipeline.bases.base import Base, PartOrReader

VAE_TILE_PX = 512
"""What SD 1.x's VAE was trained on; 1024 px are four tiles and their overlaps."""


def in_tiles(base: Base) -> Base:
    """The base with its VAE in tiles; several pictures are taken one at a time."""
    return base.with_reader("vae", lambda part: _tiled(part, base.latents.cell_px))


def _tiled(part: PartOrReader, cell_px: int) -> Any:
    vae: Any = part if isinstance(part, nn.Module) else part()
    vae.enable_tiling()
    vae.enable_slicing()
    vae.tile_sample_min_size, vae.tile_latent_min_size = VAE_TILE_PX, VAE_TILE_PX // cell_px
    return vae
