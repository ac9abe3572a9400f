"""Second pass (hires fix): enlarges the picture and draws over it, with exactly the configured steps.

    latents --- interpolated -------------------------------- + noise --> the sampler's last `steps`
            \\-- decoded, upscaler network, encoded (mean) --/

As in AUTOMATIC1111 (modules/processing.py, sample_hr_pass; modules/sd_samplers_common.py,
setup_img2img_steps): runs the last `steps` of int(steps / strength), with new noise of the same seeds.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.bases.base import Base
from pipeline.bases.latents import decoded, encoded, pixels
from pipeline.drawing.flow_sampler import AnySampler, sampler_of
from pipeline.drawing.upscaling import Upscaler, load_upscaler, upscaled
from pipeline.errors import UserError, nearest
from pipeline.prompts.settings import LATENT, DrawingSettings, SecondPass

INTERPOLATIONS = {
    "latent": ("bilinear", False),
    "latent_antialiased": ("bilinear", True),
    "latent_bicubic": ("bicubic", False),
    "latent_bicubic_antialiased": ("bicubic", True),
    "latent_nearest": ("nearest", False),
    "latent_nearest-exact": ("nearest-exact", False),
}
"""Interpolation mode and antialiasing, by the upscaler's name."""
ALMOST = 0.999
"""Even strength 1 keeps something of the picture, as in A1111."""
MAX_STEPS = 1000
"""The length of the noise schedule."""


def upscaler_of(settings: DrawingSettings, device: torch.device) -> Upscaler | None:
    """The second pass's upscaler network, if any. Raises UserError, before anything is drawn, for an unknown
    name or too many steps.
    """
    second = settings.second_pass
    if second:
        total_steps(second)
    if second is None or second.upscaler in INTERPOLATIONS:
        return None
    if second.upscaler.startswith(LATENT) and not Path(second.upscaler).exists():
        raise UserError(
            f"no upscaler {second.upscaler!r}; {nearest(second.upscaler, INTERPOLATIONS)},"
            " or the path of an upscaler network"
        )
    return load_upscaler(Path(second.upscaler), device)


def total_steps(second: SecondPass) -> int:
    """The number of steps, of which the last `second.steps` run. Raises UserError for too many."""
    total = int(second.steps / min(second.strength, ALMOST))
    if total > MAX_STEPS:
        raise UserError(
            f"a second pass of {second.steps} steps at strength {second.strength:g} needs a schedule of"
            f" {total} steps, but the limit is {MAX_STEPS}; use a higher strength or fewer steps"
        )
    return total


def second_sampler(settings: DrawingSettings, base: Base) -> AnySampler:
    """The first pass's sampler, on the last steps."""
    assert settings.second_pass
    total = total_steps(settings.second_pass)
    return sampler_of(base, settings.sampler, total, total - settings.second_pass.steps)


def enlarged(base: Base, latents: Tensor, settings: DrawingSettings, upscaler: Upscaler | None) -> Tensor:
    """Latents of the larger picture."""
    assert settings.second_pass
    width, height = settings.second_pass.enlarged(settings.width, settings.height)
    if upscaler is None:
        mode, antialias = INTERPOLATIONS[settings.second_pass.upscaler]
        return F.interpolate(latents, (height // 8, width // 8), mode=mode, antialias=antialias)
    larger = (upscaled(upscaler, picture, width, height) for picture in decoded(base, latents))
    return torch.cat([encoded(base, pixels(picture)[None].to(latents.device)) for picture in larger])
