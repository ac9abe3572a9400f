"""Which parts of a checkpoint a single file has, by its names alone. Without torch."""

from collections.abc import Collection

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.structure import EMA_PREFIX

BARE = {
    "a U-Net in diffusers' layout": "down_blocks.",
    "a U-Net without its prefix": "input_blocks.",
    "a transformer in diffusers' layout": "transformer_blocks.",
    "a transformer without its prefix": "joint_blocks.",
    "a VAE": "decoder.",
    "a text encoder": "text_model.",
}
"""Files of a single part, by the prefix of one of their keys."""
DENOISER_PREFIXES = ("model.diffusion_model.", EMA_PREFIX)
"""Prefixes of a denoiser's names in a whole checkpoint."""
VAE_PREFIX = "first_stage_model."
VAE_TITLE = "VAE"
ENCODER_TITLES = ("first text encoder", "second text encoder")


def bare_part(names: Collection[str]) -> str | None:
    """The part whose own names a file has; None for a whole checkpoint."""
    if any(name.startswith(DENOISER_PREFIXES) for name in names):
        return None
    return next((what for what, start in BARE.items() if any(name.startswith(start) for name in names)), None)


def denoiser_title(facts: FamilyFacts | None) -> str:
    """In messages; a U-Net's if the family is not known."""
    return "U-Net" if facts is None or facts.denoiser == "unet" else facts.denoiser


def missing_parts(names: Collection[str], facts: FamilyFacts) -> tuple[str, ...]:
    """Titles of the parts that a whole checkpoint of the family has and these names lack."""
    single = len(facts.text_signs) == 1
    encoders = ("text encoder",) if single else ENCODER_TITLES
    signs = {denoiser_title(facts): DENOISER_PREFIXES, VAE_TITLE: (VAE_PREFIX,)} | {
        title: (sign,) for title, sign in zip(encoders, facts.text_signs, strict=False)
    }
    return tuple(
        title for title, starts in signs.items() if not any(name.startswith(starts) for name in names)
    )
