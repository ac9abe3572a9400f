"""A random base of SD 1.x's topology, small enough for a unit test: every key name, few numbers."""

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.base import Base
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer


def small_configs() -> dict[str, dict[str, Any]]:
    configs = {part: dict(config) for part, config in family("sd1").configs.items()}
    configs["unet"] |= {"block_out_channels": [8, 16, 16, 16], "norm_num_groups": 4, "attention_head_dim": 2}
    configs["unet"] |= {"cross_attention_dim": 16, "sample_size": 8}
    configs["vae"] |= {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "sample_size": 64}
    configs["text_encoder"] |= {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    configs["text_encoder"] |= {"num_hidden_layers": 2, "projection_dim": 16}
    return configs


def random_base(seed: int = 0) -> Base:
    torch.manual_seed(seed)
    made, configs = family("sd1"), small_configs()
    parts = {
        "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])).eval(),
        "unet": UNet2DConditionModel.from_config(configs["unet"]).eval(),
        "vae": AutoencoderKL.from_config(configs["vae"]).eval(),
    }
    return Base(made, make_tokenizer(None), parts, configs)


UNET, TEXT_ENCODER = (family("sd1").part(name) for name in ("unet", "text_encoder"))


def file_key(part: str, key: str) -> str:
    """Name in a single file."""
    made = family("sd1")
    return made.origin(part, key, made.configs).key
