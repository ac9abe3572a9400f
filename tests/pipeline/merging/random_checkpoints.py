"""Checkpoints with every name of SD 1.x and few numbers, in both layouts, written in no time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.clip_names import transformers_name
from pipeline.bases.registry import family
from pipeline.files.safetensors_file import write_safetensors
from tests.pipeline.bases.random_sd1 import file_key, small_configs

FIRST = "model.diffusion_model.input_blocks.0.0.weight"
POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def shapes(configs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, tuple[int, ...]]]:
    """By part and diffusers name."""
    with torch.device("meta"):
        parts = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
        }
    return {
        part: {key: tuple(weight.shape) for key, weight in module.state_dict().items()}
        for part, module in parts.items()
    }


SMALL = shapes(small_configs())
REAL = shapes(family("sd1").configs)


def random_weights(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return {
        part: {key: (torch.randn(shape, generator=generator) * 0.1).to(dtype) for key, shape in names.items()}
        for part, names in SMALL.items()
    }


def single_file(weights: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """As a single file holds them: the VAE's attention as 1x1 convolutions."""
    found = {file_key(part, key): weight for part, named in weights.items() for key, weight in named.items()}
    return {
        key: weight[:, :, None, None] if ".attn_1." in key and weight.dim() == 2 else weight
        for key, weight in found.items()
    }


def write_file(
    path: Path, seed: int, dtype: torch.dtype = torch.float32, **extra: Tensor
) -> dict[str, Tensor]:
    """A single file with position ids beside; returns its tensors."""
    tensors = single_file(random_weights(seed, dtype)) | {POSITION_IDS: torch.arange(77)[None]} | extra
    write_safetensors(path, tensors, {})
    return tensors


def write_folder(path: Path, seed: int) -> dict[str, Tensor]:
    """The same numbers as `write_file`'s, as a diffusers folder."""
    weights = random_weights(seed)
    for part, named in weights.items():
        keyed = {
            transformers_name(key) if part == "text_encoder" else key: value for key, value in named.items()
        }
        name = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        (path / part).mkdir(parents=True, exist_ok=True)
        write_safetensors(path / part / f"{name}.safetensors", keyed, {})
    return single_file(weights)
