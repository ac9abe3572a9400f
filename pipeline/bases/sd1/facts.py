"""Stable Diffusion 1.x."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.facts import Facts
from pipeline.bases.structure import Structure
from pipeline.bases.unet_blocks import block_names, with_channels


def owns(found: Structure) -> bool:
    """A U-Net with convolutions round its attention and no vector beside the tokens."""
    return found.kind == "unet" and not found.linear and not found.adm


def owns_config(unet: Mapping[str, Any]) -> bool:
    """Neither linear layers round attention nor a vector beside the tokens."""
    return not (unet.get("use_linear_projection") or unet.get("addition_embed_type"))


FACTS = Facts(
    name="sd1",
    title="Stable Diffusion 1.x",
    modelspec="stable-diffusion-v1",
    version="sd_v1",
    owns=owns,
    owns_config=owns_config,
    variant=with_channels,
    blocks=block_names(12),
    text_encoders=("text_encoder",),
    text_sign="cond_stage_model.transformer.",
    text_layers=12,
    resolution_px=512,
    step_px=64,
    has_sizes=False,
    has_hypernetworks=True,
    pipeline="StableDiffusionPipeline",
)
