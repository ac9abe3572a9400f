"""Stable Diffusion XL: a U-Net, CLIP ViT-L/14 and OpenCLIP ViT-bigG/14.

The last but one layers of both, without a final norm, are joined along their width. The U-Net also gets
bigG's projected vector and six numbers of size and crop (Podell et al. 2023, arXiv 2307.01952).
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from pipeline.bases import unet_names
from pipeline.bases.clip_names import ClipNames, OpenClipNames
from pipeline.bases.clip_text import OPENCLIP_PADDING, padded, pooled, states, zero_where_empty
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.family import Configs
from pipeline.bases.parts import UNET, VAE, clip_part
from pipeline.bases.sdxl.facts import FACTS
from pipeline.bases.unet_family import UNetFamily, has_attention

if TYPE_CHECKING:
    from pipeline.bases.base import Base

LAST_BUT_ONE = 2


class SDXL(UNetFamily):
    facts = FACTS
    parts = (
        UNET,
        VAE,
        clip_part("text_encoder", "first text encoder", "conditioner.embedders.0.transformer.", "lora_te1_"),
        clip_part(
            "text_encoder_2", "second text encoder", "conditioner.embedders.1.model.", "lora_te2_",
            projected=True,
        ),
    )  # fmt: skip
    tokenizer_folders = ("tokenizer", "tokenizer_2")
    paddings: ClassVar = {"tokenizer_2": OPENCLIP_PADDING}
    index_extras: ClassVar = {"force_zeros_for_empty_prompt": True}
    text_names: ClassVar = {
        "text_encoder": ClipNames("conditioner.embedders.0.transformer."),
        "text_encoder_2": OpenClipNames("conditioner.embedders.1.model."),
    }

    def layer_name(self, part: str, path: str, configs: Configs) -> str:
        """sd-scripts' names: the U-Net's follow the original layout."""
        if part != "unet":
            return super().layer_name(part, path, configs)
        named = unet_names.ldm_name(path, has_attention(configs))
        return f"{UNET.layer_prefix}{named.replace('.', '_')}"

    def pooled_widths(self, configs: Configs) -> list[int]:
        """Only bigG's is used."""
        return [0, configs["text_encoder_2"]["projection_dim"]]

    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        first, second = base.text_encoders
        own = padded(ids, base.end_token, OPENCLIP_PADDING)
        tokens, _ = states(first, ids, max(clip_skip, LAST_BUT_ONE), normed=False)
        others, last = states(second, own, LAST_BUT_ONE, normed=False)
        both = torch.cat([tokens, others], dim=-1), pooled(second, last, own, base.end_token)
        return Conditioning(*(zero_where_empty(each, ids, base.end_token) for each in both))

    def predict(self, base: "Base", noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:
        added = {"text_embeds": conditioning.pooled, "time_ids": conditioning.sizes}
        answer: Tensor = base.denoiser(
            noisy, levels, conditioning.tokens, added_cond_kwargs=added, return_dict=False
        )[0]
        return answer


FAMILY = SDXL()
