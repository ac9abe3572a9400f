"""The toy family's facts."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.prediction import EPSILON
from pipeline.bases.structure import DenoiserStructure
from pipeline.bases.unet_blocks import block_names, with_channels


def owns(found: DenoiserStructure) -> bool:
    """Convolutions around attention, and a pooled vector."""
    return found.kind == "unet" and not found.linear and found.adm > 0


def owns_config(unet: Mapping[str, Any]) -> bool:
    return unet.get("class_embed_type") == "projection"


FACTS = FamilyFacts(
    name="toy",
    title="Toy Diffusion",
    modelspec="toy-diffusion-v1",
    version="toy_v1",
    owns=owns,
    owns_config=owns_config,
    variant=with_channels,
    blocks=block_names(9),
    prediction=EPSILON,
    text_encoders=("text_encoder", "text_encoder_2"),
    text_signs=("conditioner.a.", "conditioner.b."),
    text_layers=3,
    resolution_px=64,
    step_px=32,
    has_sizes=False,
    has_hypernetworks=False,
    pipeline="StableDiffusionPipeline",
)
