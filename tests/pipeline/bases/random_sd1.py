"""A random base of SD 1.x's topology, small enough for a unit test: every key name, few numbers."""

from copy import deepcopy
from functools import cache
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

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


UNETS: dict[str, dict[str, Any]] = {
    "whole": {},
    "sparse": {
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
    },
    "shallow": {
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "block_out_channels": [8, 16],
        "layers_per_block": 1,
    },
}
"""Lesser ones are several times as fast: `sparse` has attention at one level and is still known as SD 1.x,
`shallow` has two levels, for tests that ask how a net learns, not what its layers are called.
"""


def random_base(seed: int = 0, unet: str = "whole") -> Base:
    """A base of one's own; the global generator is left as after its drawing."""
    parts, drawn = _random_parts(seed, unet)
    torch.set_rng_state(drawn)
    return Base(family("sd1"), _tokenizer(), deepcopy(parts), _configs(unet))


def _configs(unet: str) -> dict[str, dict[str, Any]]:
    configs = small_configs()
    return {**configs, "unet": {**configs["unet"], **deepcopy(UNETS[unet])}}


@cache
def _random_parts(seed: int, unet: str) -> tuple[dict[str, torch.nn.Module], Tensor]:
    """The parts, and the global generator's state after them."""
    torch.manual_seed(seed)
    configs = _configs(unet)
    parts = {
        "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])).eval(),
        "unet": UNet2DConditionModel.from_config(configs["unet"]).eval(),
        "vae": AutoencoderKL.from_config(configs["vae"]).eval(),
    }
    return parts, torch.get_rng_state()


@cache
def _tokenizer() -> CLIPTokenizer:
    """Half a second's work; nothing changes it."""
    return make_tokenizer(None)


UNET, TEXT_ENCODER = (family("sd1").part(name) for name in ("unet", "text_encoder"))


def file_key(part: str, key: str) -> str:
    """Name in a single file."""
    made = family("sd1")
    return made.origin(part, key, made.configs).key
