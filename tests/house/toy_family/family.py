"""Both encoders' last layers are joined along their width; the pooled vector is the second one's start."""

from typing import TYPE_CHECKING, ClassVar

import torch
from pipeline.bases.toy.facts import FACTS  # type: ignore[import-not-found]
from torch import Tensor

from pipeline.bases.clip_names import ClipNames
from pipeline.bases.clip_text import states
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.family import Configs
from pipeline.bases.origins import Origin
from pipeline.bases.parts import UNET, VAE, clip_part
from pipeline.bases.unet_family import UNetFamily

if TYPE_CHECKING:
    from pipeline.bases.base import Base

EMBEDDING = {"class_embedding.linear_1": "label_emb.0.0", "class_embedding.linear_2": "label_emb.0.2"}


class Toy(UNetFamily):
    facts = FACTS
    parts = (
        UNET,
        VAE,
        clip_part("text_encoder", "first text encoder", "conditioner.a.", "lora_te1_"),
        clip_part("text_encoder_2", "second text encoder", "conditioner.b.", "lora_te2_"),
    )
    tokenizer_folders = ("tokenizer", "tokenizer_2")
    text_names: ClassVar = {
        "text_encoder": ClipNames("conditioner.a."),
        "text_encoder_2": ClipNames("conditioner.b."),
    }

    def origin(self, part: str, name: str, configs: Configs) -> Origin:
        stem, _, leaf = name.rpartition(".")
        if part == "unet" and stem in EMBEDDING:
            return Origin(f"model.diffusion_model.{EMBEDDING[stem]}.{leaf}")
        return super().origin(part, name, configs)

    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        both = [states(encoder, ids, clip_skip, normed=True) for encoder in base.text_encoders]
        return Conditioning(torch.cat([each for each, _ in both], dim=-1), both[1][1][:, 0])

    def predict(self, base: "Base", noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:
        answer: Tensor = base.denoiser(
            noisy, levels, conditioning.tokens, class_labels=conditioning.pooled, return_dict=False
        )[0]
        return answer


FAMILY = Toy()
