"""Estimates the memory in which the grid is drawn, from the base's sizes alone."""

from pipeline.bases.vae_tiles import VAE_TILE_PX
from pipeline.schemas import Config
from pipeline.training.planning.estimate import EIGHT_BIT_BYTES, TrainingNumbers

AT_WORK, DECODING = 450, 3100
"""Bytes of a pixel: in the denoiser, of a guided picture in 16 bits; in the VAE. Counted on bases of the
published sizes: 320 to 530, and 3070.
"""
VAE_BYTES = 335_000_000
"""Of its weights in fp32; every family's are as large."""


def drawing_bytes(numbers: TrainingNumbers, config: Config) -> int:
    """At the peak: in the denoiser or in the VAE, which a card asks for one picture at a time."""
    grid = config.sample_grid
    width = 4 if grid.precision == "fp32" else 2
    denoiser = numbers.denoiser * width
    texts = numbers.texts * width + numbers.t5 * (EIGHT_BIT_BYTES if config.base.t5 == "int8" else width)
    pixels = grid.resolution**2
    work = grid.batch * pixels * AT_WORK * width // 2
    tile = pixels if config.base.vae_tiles == "none" else min(pixels, VAE_TILE_PX**2)
    if grid.model_offload:
        return round(max(denoiser + work, VAE_BYTES + DECODING * tile, texts))
    return round(denoiser + texts + VAE_BYTES + max(work, DECODING * tile))
