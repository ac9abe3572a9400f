"""Writes a checkpoint that every tool opens: one .safetensors in the original layout, or a diffusers folder.

transformers 5 writes text encoders without the `text_model.` level, which version 4 then fills with random
weights and a mere warning; both layouts here carry it. The folder's tokenizer has vocab.json and merges.txt
beside tokenizer.json, for older tools.
"""

import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from pipeline.base.families import HEADER_KEY, older_tokenizer_files
from pipeline.base.ldm_keys import ldm_key, text_encoder_key
from pipeline.base.load import BaseModel
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.json_text import read_mapping
from pipeline.files.safetensors_file import PRECISIONS, write_safetensors

WEIGHT_FILES = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}

CLASSES: dict[str, dict[str, Any]] = {
    "unet": {"_class_name": "UNet2DConditionModel"},
    "vae": {"_class_name": "AutoencoderKL"},
    "text_encoder": {"architectures": ["CLIPTextModel"]},
    "scheduler": {"_class_name": "DDIMScheduler"},
}
"""What a configuration says of its class, where it does not say it itself."""


def parts_of(model: BaseModel) -> dict[str, nn.Module]:
    return {"unet": model.unet, "vae": model.vae, "text_encoder": model.text_encoder}


def save_file(model: BaseModel, path: Path, dtype: str, metadata: dict[str, str]) -> None:
    """One .safetensors in the original (LDM) layout; its header carries the configurations and the
    tokenizer.
    """
    write_safetensors(path, file_tensors(model, PRECISIONS[dtype]), {**metadata, **file_header(model)})


def file_tensors(model: BaseModel, dtype: torch.dtype, without: Collection[str] = ()) -> dict[str, Tensor]:
    """What such a file holds, but for the names in `without`."""
    return {
        name: _ldm_shape(part, key, tensor).to("cpu", dtype)
        for part, module in parts_of(model).items()
        for key, tensor in module.state_dict().items()
        if not key.endswith("position_ids") and (name := ldm_key(part, key)) not in without
    }


def file_header(model: BaseModel) -> dict[str, str]:
    """What such a file's header says of the base."""
    own = {"configs": plain_configs(model), "tokenizer": tokenizer_files(model.tokenizer)}
    return {HEADER_KEY: json.dumps(own, sort_keys=True)}


def _ldm_shape(part: str, key: str, tensor: Tensor) -> Tensor:
    """The VAE's attention weights are 1x1 convolutions in the original layout."""
    attention = part == "vae" and ".attentions." in key and key.endswith(".weight") and tensor.dim() == 2
    return tensor[:, :, None, None] if attention else tensor


def save_folder(model: BaseModel, path: Path, dtype: str, metadata: dict[str, str]) -> None:
    """A diffusers folder that diffusers loads with transformers 4 and 5 alike."""
    with new_folder(path) as folder:
        for part, module in parts_of(model).items():
            tensors = {
                folder_key(part, key): tensor.to(PRECISIONS[dtype])
                for key, tensor in module.state_dict().items()
                if not key.endswith("position_ids")
            }
            write_safetensors(folder / part / WEIGHT_FILES[part], tensors, {"format": "pt", **metadata})
        write_settings(model, folder)


def folder_key(part: str, key: str) -> str:
    """Name of a module's weight in a folder."""
    return text_encoder_key(key) if part == "text_encoder" else key


def write_settings(model: BaseModel, folder: Path) -> None:
    """All of a folder but the weights."""
    configs = plain_configs(model)
    for part in WEIGHT_FILES:
        write_json(folder / part / "config.json", configs[part])
    write_json(folder / "scheduler" / "scheduler_config.json", configs["scheduler"])
    model.tokenizer.save_pretrained(folder / "tokenizer")
    for name, text in tokenizer_files(model.tokenizer).items():
        (folder / "tokenizer" / name).write_text(text, encoding="utf-8")
    write_json(folder / "model_index.json", model_index(configs["scheduler"]["_class_name"]))


def plain_configs(model: BaseModel) -> dict[str, dict[str, Any]]:
    """The parts' configurations without paths and version stamps."""
    unwanted = {
        "_name_or_path",
        "transformers_version",
        "_diffusers_version",
        "dtype",
        "torch_dtype",
        "_use_default_values",
    }
    return {
        part: {**CLASSES[part], **{key: value for key, value in config.items() if key not in unwanted}}
        for part, config in model.configs.items()
    }


def tokenizer_files(tokenizer: CLIPTokenizer) -> dict[str, str]:
    """vocab.json and merges.txt, from the tokenizer's own tokenizer.json."""
    with tempfile.TemporaryDirectory() as name:
        tokenizer.save_pretrained(name)
        return older_tokenizer_files(read_mapping(Path(name) / "tokenizer.json"))


def model_index(scheduler_class: str) -> dict[str, Any]:
    """model_index.json of a StableDiffusionPipeline without a safety checker."""
    return {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", scheduler_class],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
