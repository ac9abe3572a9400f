"""What is asked of a drawing: the settings that pictures share, and each picture's prompt and seed. No torch
here, so that a grid can be planned without it.
"""

from dataclasses import dataclass

from pipeline.config.schemas import Base, ClassImages, SampleGrid
from pipeline.number_text import NumberError, whole_number

SHARED = ("steps", "guidance", "sampler", "negative_prompt", "batch")
"""Keys that the groups that draw have in common with `Settings`."""
LEAST_SIDE_PX, MOST_SIDE_PX, SIDE_STEP_PX = 64, 1 << 15, 8
"""Of pictures: a side is a multiple of what one latent covers."""
LATENT = "latent"
"""How the names of the upscalers begin that need no network."""


def side_px(text: str) -> int:
    """A picture's width or height. Raises NumberError."""
    side = whole_number(text.strip(), LEAST_SIDE_PX, MOST_SIDE_PX)
    if side % SIDE_STEP_PX:
        raise NumberError(f"{side} is no multiple of {SIDE_STEP_PX}")
    return side


@dataclass(frozen=True, kw_only=True)
class SecondPass:
    """The picture is enlarged `scale` times, then drawn over with exactly `steps` steps at `strength` (above
    0, at most 1, which leaves little of it).

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
class Settings:
    """How pictures are drawn; `batch` changes memory and speed, not the pictures' start."""

    steps: int
    guidance: float
    sampler: str
    negative_prompt: str
    width: int
    height: int
    clip_skip: int
    batch: int
    second_pass: SecondPass | None = None

    @classmethod
    def of(cls, wanted: ClassImages | SampleGrid, base: Base) -> "Settings":
        """As the group asks for them."""
        shared = {name: getattr(wanted, name) for name in SHARED}
        side = wanted.resolution
        return cls(width=side, height=side, clip_skip=base.clip_skip, **shared)


@dataclass(frozen=True)
class Job:
    """One picture: its prompt and the seed of its noise."""

    prompt: str
    seed: int
