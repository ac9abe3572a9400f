"""What to draw: the settings that pictures share, and each picture's prompt and seed. Without torch, so that
a grid can be planned without it.
"""

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.number_text import NumberError, whole_number
from pipeline.schemas import BaseConfig, ClassImagesConfig, SampleGridConfig
from pipeline.schemas.group import DrawingPrecision

SHARED_KEYS = ("steps", "guidance", "guidance_rescale", "sampler", "negative_prompt", "batch", "precision")
"""Keys that `DrawingSettings` shares with class_images and sample_grid."""
LEAST_SIDE_PX, MOST_SIDE_PX, SIDE_STEP_PX = 64, 1 << 15, 8
"""Bounds of a picture's side, and its step: the pixels that one latent pixel covers."""
LATENT = "latent"
"""Start of the names of upscalers without a network."""


def side_px(text: str) -> int:
    """A picture's width or height. Raises NumberError."""
    side = whole_number(text.strip(), LEAST_SIDE_PX, MOST_SIDE_PX)
    if side % SIDE_STEP_PX:
        raise NumberError(f"{side} is not a multiple of {SIDE_STEP_PX}")
    return side


@dataclass(frozen=True, kw_only=True)
class SecondPass:
    """Enlarges the picture `scale` times, then draws over it with exactly `steps` steps at `strength` (above
    0; 1 leaves little of the picture).

    `upscaler` is `latent`, `latent_nearest-exact` ..., or the path of an upscaler network.
    """

    upscaler: str
    scale: float
    steps: int
    strength: float

    def __str__(self) -> str:
        return f"{self.upscaler} {self.scale:g}x, {self.steps} steps at {self.strength:g}"

    def enlarged(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the second picture, px: multiples of 8."""
        return int(width * self.scale) // 8 * 8, int(height * self.scale) // 8 * 8


@dataclass(frozen=True, kw_only=True)
class DrawingSettings:
    """How pictures are drawn; `batch` changes memory and speed, not the pictures' noise."""

    steps: int
    guidance: float
    sampler: str
    negative_prompt: str
    width: int
    height: int
    clip_skip: int
    batch: int
    second_pass: SecondPass | None = None
    guidance_rescale: float = 0.0
    """0 to 1: how far the guided answer gets the deviation of the prompt's own."""
    precision: DrawingPrecision = "fp32"
    """Of the denoiser and the text encoders; the VAE always decodes in fp32."""

    def identity(self) -> dict[str, Any]:
        """What pictures follow from; a key that came later is there once it is set."""
        values = asdict(self)
        later = ClassImagesConfig.NEUTRAL
        return {key: value for key, value in values.items() if key not in later or value != later[key]}

    @classmethod
    def of(cls, group: ClassImagesConfig | SampleGridConfig, base: BaseConfig) -> "DrawingSettings":
        """The settings of a group."""
        shared = {name: getattr(group, name) for name in SHARED_KEYS}
        side = group.resolution
        return cls(width=side, height=side, clip_skip=base.clip_skip, **shared)


@dataclass(frozen=True)
class PictureJob:
    """One picture: its prompt and the seed of its noise."""

    prompt: str
    seed: int
