"""Stable Diffusion 1.x."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.prediction import EPSILON
from pipeline.bases.structure import DenoiserStructure
from pipeline.bases.unet_blocks import block_names, with_channels


def owns(denoiser: DenoiserStructure) -> bool:
    """A U-Net with convolutions around its attention and no pooled vector."""
    return denoiser.kind == "unet" and not denoiser.linear and not denoiser.adm


def owns_config(unet: Mapping[str, Any]) -> bool:
    """No linear layers around attention, no pooled vector, and four levels of two Res blocks; pruned bases
    have fewer.
    """
    if unet.get("use_linear_projection") or unet.get("addition_embed_type"):
        return False
    return len(unet.get("block_out_channels", ())) == 4 and unet.get("layers_per_block", 2) == 2


FACTS = FamilyFacts(
    name="sd1",
    title="Stable Diffusion 1.x",
    modelspec="stable-diffusion-v1",
    version="sd_v1",
    owns=owns,
    owns_config=owns_config,
    variant=with_channels,
    blocks=block_names(12),
    prediction=EPSILON,
    text_encoders=("text_encoder",),
    text_signs=("cond_stage_model.transformer.",),
    text_layers=12,
    resolution_px=512,
    step_px=64,
    has_sizes=False,
    has_hypernetworks=True,
    pipeline="StableDiffusionPipeline",
    published="stable-diffusion-v1-5/stable-diffusion-v1-5 v1-5-pruned-emaonly.safetensors",
)
