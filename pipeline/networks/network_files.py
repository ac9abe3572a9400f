"""Network files: those that a training wrote, and what one holds."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from pipeline.files.damage import damage_told
from pipeline.files.finite import insist_on_finite
from pipeline.files.safetensors_file import read_safetensors
from pipeline.networks.diffusers_layout import from_diffusers, is_diffusers


def epoch_files(folder: Path) -> dict[int, Path]:
    """`<name>-<epoch>.safetensors` files by epoch, in order."""
    files = sorted(folder.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return {int(file.stem.rpartition("-")[2]): file for file in files}


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file, by sd-scripts' keys; diffusers' and PEFT's are renamed. NaN and
    infinity are a user error.
    """
    tensors, metadata = read_safetensors(path)
    insist_on_finite(path, tensors)
    with damage_told(f"{path} is no readable network file"):
        return from_diffusers(tensors, metadata, path) if is_diffusers(tensors) else tensors


def grouped(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """`lora_unet_x.lora_up.weight` -> {lora_unet_x: {lora_up.weight: ...}}."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in weights.items():
        module, _, leaf = key.partition(".")
        found.setdefault(module, {})[leaf] = tensor
    return found
