"""Reads seed and settings from an infotext's values; numbers are strict and within bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.errors import UserError
from pipeline.number_text import NumberError, real_number, whole_number
from pipeline.prompts.infotext_sampler import SAMPLER_KEYS, sampler_of
from pipeline.prompts.settings import (
    LATENT,
    LEAST_SIDE_PX,
    MOST_SIDE_PX,
    SIDE_STEP_PX,
    DrawingSettings,
    SecondPass,
    side_px,
)
from pipeline.seeds import MOST_SEED

LATENT_LABELS = {
    "latent": "Latent",
    "latent_antialiased": "Latent (antialiased)",
    "latent_bicubic": "Latent (bicubic)",
    "latent_bicubic_antialiased": "Latent (bicubic antialiased)",
    "latent_nearest": "Latent (nearest)",
    "latent_nearest-exact": "Latent (nearest-exact)",
}
MOST_DRAWING_STEPS, MOST_GUIDANCE, MOST_CLIP_SKIP = 10_000, 1000, 12
LEAST_STRENGTH, MOST_SCALE = 0.01, 16
SIDES_ALLOWED = f"sides are multiples of {SIDE_STEP_PX} from {LEAST_SIDE_PX} to {MOST_SIDE_PX} px, as 512x768"


def settings_of(values: Mapping[str, str]) -> tuple[int, DrawingSettings]:
    """Raises UserError with every value that cannot be read."""
    reader = _Reader(values)
    width, height = reader.sides("Size")
    seed = reader.whole("Seed", 0, MOST_SEED)
    settings = DrawingSettings(
        steps=reader.whole("Steps", 1, MOST_DRAWING_STEPS),
        guidance=reader.real("CFG scale", -MOST_GUIDANCE, MOST_GUIDANCE),
        guidance_rescale=reader.real("CFG Rescale", 0, 1, "0"),
        sampler=reader.sampler(),
        negative_prompt=values["Negative prompt"],
        width=width,
        height=height,
        clip_skip=reader.whole("Clip skip", 1, MOST_CLIP_SKIP, "1"),
        batch=1,
        second_pass=_second_pass(reader) if "Hires upscale" in values else None,
    )
    if reader.problems:
        raise UserError(*reader.problems)
    return seed, settings


def _second_pass(reader: "_Reader") -> SecondPass:
    by_label = {label: name for name, label in LATENT_LABELS.items()}
    upscaler = reader.values.get("Hires upscaler", LATENT_LABELS[LATENT])
    return SecondPass(
        upscaler=by_label.get(upscaler, upscaler),
        scale=reader.real("Hires upscale", 1, MOST_SCALE),
        # A1111 omits them, or writes 0, if they are the first pass's.
        steps=reader.whole("Hires steps", 0, MOST_DRAWING_STEPS, "0")
        or reader.whole("Steps", 1, MOST_DRAWING_STEPS),
        strength=reader.real("Denoising strength", LEAST_STRENGTH, 1),
    )


@dataclass
class _Reader:
    """Reads values by key and collects the problems."""

    values: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def whole(self, key: str, least: int, most: int, default: str = "") -> int:
        try:
            return whole_number(self.values.get(key, default), least, most)
        except NumberError as error:
            self._note(key, error)
            return least

    def real(self, key: str, least: float, most: float, default: str = "") -> float:
        try:
            return real_number(self.values.get(key, default), least, most)
        except NumberError as error:
            self._note(key, error)
            return least

    def sides(self, key: str) -> tuple[int, int]:
        """Width and height of `512x768`, px."""
        text = self.values[key]
        try:
            width, height = map(side_px, text.split("x"))
        except NumberError as error:
            self._note(key, f"{text[:40]!r}: {error}; {SIDES_ALLOWED}")
        except ValueError:  # one number, or three
            self._note(key, f"{text[:40]!r} is not WIDTHxHEIGHT; {SIDES_ALLOWED}")
        else:
            return width, height
        return LEAST_SIDE_PX, LEAST_SIDE_PX

    def sampler(self) -> str:
        try:
            return sampler_of(self.values)
        except UserError as error:
            self.problems.extend(error.problems)
        except ValueError as error:
            self._note(SAMPLER_KEYS, f"{self.values[SAMPLER_KEYS][:40]!r}: {error}")
        return ""

    def _note(self, key: str, reason: object) -> None:
        sentence = f"the infotext's {key} cannot be read: {reason}"
        if sentence not in self.problems:
            self.problems.append(sentence)
