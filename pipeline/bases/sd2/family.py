"""Stable Diffusion 2.x: a U-Net and OpenCLIP ViT-H/14, conditioned by its last but one layer.

transformers' model has 23 of its 24 layers, so the last but one is its last.
"""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from pipeline.bases.clip_names import OpenClipNames
from pipeline.bases.clip_text import OPENCLIP_PADDING, padded, states
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.parts import UNET, VAE, clip_part
from pipeline.bases.sd2.facts import FACTS
from pipeline.bases.unet_family import UNetFamily

if TYPE_CHECKING:
    from pipeline.bases.base import Base


class SD2(UNetFamily):
    facts = FACTS
    parts = (
        UNET,
        VAE,
        clip_part("text_encoder", "text encoder", "cond_stage_model.model.", "lora_te_"),
    )
    paddings: ClassVar = {"tokenizer": OPENCLIP_PADDING}
    index_extras: ClassVar = {"requires_safety_checker": False, "safety_checker": [None, None]}
    text_names: ClassVar = {"text_encoder": OpenClipNames("cond_stage_model.model.")}

    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        own = padded(ids, base.end_token, OPENCLIP_PADDING)
        return Conditioning(states(base.text_encoders[0], own, clip_skip, normed=True)[0])


FAMILY = SD2()
