"""Reads network files."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.registry import family, family_named
from pipeline.files.damage import reporting_damage
from pipeline.files.finite import insist_on_finite
from pipeline.files.safetensors_file import read_safetensors
from pipeline.files.safetensors_header import Header
from pipeline.files.tensor_file import open_tensors, opened
from pipeline.networks.layouts import by_sd_scripts_names, is_adapter, is_foreign
from pipeline.networks.mmdit_layouts import by_diffusers_layers
from pipeline.networks.module_names import is_mmdit, is_own
from pipeline.networks.shapes import insist_on_shapes

CONV_IN = "conv_in"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of torch.save's files."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a file; an adapter's by sd-scripts' keys, whatever tool wrote it. Raises UserError for
    NaN and infinity.
    """
    tensors, metadata = read_tensors(path)
    insist_on_finite(path, tensors)
    return by_own_names(tensors, metadata, path)


def read_outline(path: Path, header: Header) -> dict[str, Tensor]:
    """Like `read_weights` of a .safetensors file, but reads only tensors of one number (alpha); the others
    have a type and a shape and no numbers.
    """
    with reporting_damage(f"{path} is not a readable network file"):
        stored = opened(path, header).tensors
        tensors = {
            name: each.read().reshape(each.shape)
            if each.numel == 1
            else torch.empty(each.shape, dtype=each.dtype, device="meta")
            for name, each in stored.items()
        }
        insist_on_finite(path, {name: each for name, each in tensors.items() if not each.is_meta})
    return by_own_names(tensors, header.metadata, path)


def by_own_names(tensors: dict[str, Tensor], metadata: Mapping[str, str], path: Path) -> dict[str, Tensor]:
    """An adapter's tensors by sd-scripts' keys; others unchanged."""
    with reporting_damage(f"{path} is not a readable network file"):
        if is_mmdit(tensors):
            tensors = by_diffusers_layers(tensors, path)
        if is_foreign(tensors) and not _has_the_names_of(family_named(metadata), tensors):
            return by_sd_scripts_names(tensors, metadata, path)
        if is_adapter(tensors):
            insist_on_shapes(tensors, path)
        return tensors


def _has_the_names_of(facts: FamilyFacts | None, keys: Collection[str]) -> bool:
    """Whether the names are those of the family that the header names: two text encoders alone do not make a
    family name its layers as SDXL does.
    """
    if facts is None:
        return False
    made = family(facts.name)
    follows_diffusers = made.layer_name(made.denoiser.name, CONV_IN, made.configs).endswith(CONV_IN)
    return follows_diffusers and all(is_own(key.partition(".")[0], xl=False) for key in keys)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors by the file's own keys, metadata) of a .safetensors file, or one of torch.save."""
    if path.suffix not in PICKLES:
        return read_safetensors(path)
    return {
        name: stored.read().reshape(stored.shape) for name, stored in open_tensors(path).tensors.items()
    }, {}


def grouped(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """`lora_unet_x.lora_up.weight` -> {lora_unet_x: {lora_up.weight: ...}}."""
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in weights.items():
        module, _, leaf = key.partition(".")
        modules.setdefault(module, {})[leaf] = tensor
    return modules
