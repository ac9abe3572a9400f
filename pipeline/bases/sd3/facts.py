"""Stable Diffusion 3 and 3.5: medium and large."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.config_structure import MMDIT_CLASS
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.mmdit_blocks import BLOCKS, blocks_of_depth
from pipeline.bases.structure import MMDIT, DenoiserStructure

MEDIUM, MEDIUM_35, LARGE_35 = (
    "stable-diffusion-3-medium",
    "stable-diffusion-3-5-medium",
    "stable-diffusion-3-5-large",
)
"""sd-scripts' names of the three (library/sai_model_spec.py)."""
OTHER_NAMES = ("stable-diffusion-v3-medium", "stable-diffusion-v3", "stable-diffusion-v3.5")
"""Of ModelSpec and of OneTrainer."""


def owns(denoiser: DenoiserStructure) -> bool:
    """A transformer whose blocks join pictures and text."""
    return denoiser.kind == MMDIT


def owns_config(denoiser: Mapping[str, Any]) -> bool:
    """By diffusers' class."""
    return denoiser.get("_class_name") == MMDIT_CLASS


def variant(denoiser: DenoiserStructure) -> str | None:  # noqa: ARG001  # all are trained the same way
    """None: 3 medium, 3.5 medium and 3.5 large differ in depth and norms alone."""
    return None


CLIP_L, CLIP_G, T5XXL = (f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl"))
"""Prefixes of the text encoders' tensors in a single file."""

FACTS = FamilyFacts(
    name="sd3",
    title="Stable Diffusion 3",
    modelspec=MEDIUM_35,
    further_modelspecs=(MEDIUM, LARGE_35, *OTHER_NAMES),
    version="sd3",
    denoiser="transformer",
    owns=owns,
    owns_config=owns_config,
    variant=variant,
    blocks=BLOCKS,
    members_blocks=(blocks_of_depth(range(24)), BLOCKS),
    blocks_of=lambda denoiser: blocks_of_depth(range(denoiser.depth)),
    prediction=None,
    text_encoders=("text_encoder", "text_encoder_2"),
    text_signs=("text_encoders.clip_l.", "text_encoders.clip_g."),
    text_layers=12,
    resolution_px=1024,
    step_px=16,
    has_sizes=False,
    has_hypernetworks=False,
    objective="flow",
    has_t5=True,
    diffusers_reads_names=False,
    encoder_files={
        CLIP_L: ("clip_l.safetensors",),
        CLIP_G: ("clip_g.safetensors",),
        T5XXL: tuple(f"t5xxl{kind}.safetensors" for kind in ("", "_fp16", "_bf16", "_fp8_e4m3fn")),
    },
    pipeline="StableDiffusion3Pipeline",
    published="stabilityai/stable-diffusion-3.5-medium sd3.5_medium.safetensors",
)
