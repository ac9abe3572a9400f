"""Stable Diffusion XL."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.facts import STABILITY, FamilyFacts
from pipeline.bases.prediction import EPSILON
from pipeline.bases.structure import DenoiserStructure
from pipeline.bases.unet_blocks import block_names, with_channels

TRANSFORMER_LAYERS = (2, 2, 10, 10)
"""Transformer layers of the input blocks that have any."""


def owns(denoiser: DenoiserStructure) -> bool:
    """A U-Net with a pooled vector and attention in two levels."""
    return (
        denoiser.kind == "unet" and denoiser.linear and denoiser.adm > 0 and len(denoiser.input_layers) <= 4
    )


def variant(denoiser: DenoiserStructure) -> str | None:
    """The refiner and pruned bases have other depths."""
    if set(denoiser.input_layers) == {4}:
        return "refiner"
    if denoiser.input_layers != TRANSFORMER_LAYERS or denoiser.middle_layers != TRANSFORMER_LAYERS[-1]:
        return "distilled (SSD-1B, Segmind Vega, KOALA)"
    return with_channels(denoiser)


def owns_config(unet: Mapping[str, Any]) -> bool:
    """A vector of pooled text and sizes, added to the time embedding."""
    return unet.get("addition_embed_type") == "text_time"


FACTS = FamilyFacts(
    name="sdxl",
    title="Stable Diffusion XL",
    modelspec="stable-diffusion-xl-v1-base",
    version="sdxl_base_v1-0",
    implementation=STABILITY,
    owns=owns,
    owns_config=owns_config,
    variant=variant,
    blocks=block_names(9),
    prediction=EPSILON,
    text_encoders=("text_encoder", "text_encoder_2"),
    text_signs=("conditioner.embedders.0.transformer.", "conditioner.embedders.1."),
    text_layers=12,
    resolution_px=1024,
    step_px=32,
    has_sizes=True,
    has_hypernetworks=False,
    pipeline="StableDiffusionXLPipeline",
    published="stabilityai/stable-diffusion-xl-base-1.0 sd_xl_base_1.0.safetensors",
)
