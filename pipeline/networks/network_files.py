"""Network files: those that a training wrote, and what one holds."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.errors import UserError


def epoch_files(folder: Path) -> dict[int, Path]:
    """`<name>-<epoch>.safetensors` files by epoch, in order."""
    files = sorted(folder.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return {int(file.stem.rpartition("-")[2]): file for file in files}


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file."""
    if not path.is_file():
        raise UserError(f"{path}: no such network file")
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} is not a readable .safetensors file ({error})") from error


def grouped(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """`lora_unet_x.lora_up.weight` -> {lora_unet_x: {lora_up.weight: ...}}."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in weights.items():
        module, _, leaf = key.partition(".")
        found.setdefault(module, {})[leaf] = tensor
    return found
