"""Stable Diffusion 1.x: a U-Net and CLIP ViT-L/14, conditioned by its last layer."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from pipeline.bases.clip_names import ClipNames
from pipeline.bases.clip_text import states
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.parts import UNET, VAE, clip_part
from pipeline.bases.sd1.facts import FACTS
from pipeline.bases.unet_family import UNetFamily

if TYPE_CHECKING:
    from pipeline.bases.base import Base


class SD1(UNetFamily):
    facts = FACTS
    parts = (
        UNET,
        VAE,
        clip_part("text_encoder", "text encoder", "cond_stage_model.transformer.", "lora_te_"),
    )
    index_extras: ClassVar = {"requires_safety_checker": False, "safety_checker": [None, None]}
    text_names: ClassVar = {"text_encoder": ClipNames("cond_stage_model.transformer.")}

    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        return Conditioning(states(base.text_encoders[0], ids, clip_skip, normed=True)[0])


FAMILY = SD1()
