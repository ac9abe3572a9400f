"""A trained network as changes of a checkpoint's weights, one at a time: what `bake` adds.

Modules are found by the names that files of kohya-ss/sd-scripts have: SD 1.x's by diffusers' paths, SDXL's by
the single files' (or diffusers' too). Its second text encoder's queries, keys and values are thirds of one
tensor. Any family of adapters whose change is one of weights is read; nothing of a file is left out in
silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.bases.clip_names import OPENCLIP, THIRDS
from pipeline.bases.unet_names import PREFIX as UNET_PREFIX
from pipeline.bases.weight_names import (
    SD2_TEXT_PREFIX,
    TEXT_PREFIX,
    XL_TEXT_PREFIXES,
    diffusers_unet_name,
    part_of,
)
from pipeline.errors import UserError
from pipeline.files.damage import damage_told
from pipeline.files.tensor_file import Stored, TensorFile, open_tensors
from pipeline.networks.adapter import Adapter
from pipeline.networks.algorithms import READERS
from pipeline.networks.fitting import fitted
from pipeline.networks.layouts import by_sd_scripts_names, is_adapter, is_foreign
from pipeline.networks.network_files import grouped
from pipeline.networks.shapes import insist_on_shapes

LORA_UNET, LORA_TEXT, LORA_TEXTS = "lora_unet_", "lora_te_", ("lora_te1_", "lora_te2_")
OF_BIAS = {"diff_b", "b_norm"}
"""Leaves that change a layer's bias; all others change its weight."""


@dataclass(frozen=True)
class Third:
    """A module that changes rows `index`/3 to (`index` + 1)/3 of a tensor; the whole where there is but 1."""

    module: str
    index: int = 0
    of: int = 1


def open_network(path: Path) -> TensorFile:
    """A network's file by sd-scripts' keys; another tool's are renamed, in memory."""
    file = open_tensors(path)
    if not is_foreign(file.tensors):
        if is_adapter(file.tensors):
            insist_on_shapes(file.tensors, path)
        return file
    with damage_told(f"{path} is no readable network file"):
        tensors = {key: stored.read().reshape(stored.shape) for key, stored in file.tensors.items()}
        named = by_sd_scripts_names(tensors, file.metadata, path)
    return TensorFile(path, {key: Stored.of(tensor) for key, tensor in named.items()}, file.metadata)


class NetworkChanges:
    """Changes by single-file name. Modules that the checkpoint does not have are a user error."""

    def __init__(self, label: str, file: TensorFile, tensors: Mapping[str, Stored]) -> None:
        self.label, self.path, self.file = label, file.path, file
        self.modules = modules_of(file)
        by_module = {third.module: third for name in tensors for third in thirds_of(name)}
        if unknown := sorted(self.modules.keys() - by_module.keys()):
            raise UserError(
                f"{file.path}: {len(unknown)} of its modules are not in this checkpoint"
                f" ({', '.join(unknown[:3])} ...): it belongs to another family, or is no network of weights"
            )
        self.thirds = {
            name: found
            for name in tensors
            if (found := [third for third in thirds_of(name) if self._changes(name, third.module)])
        }
        changed = {third.module for name, found in self.thirds.items() if _is_bias(name) for third in found}
        if absent := sorted(
            module for module, own in self.modules.items() if own & OF_BIAS and module not in changed
        ):
            raise UserError(
                f"{file.path}: {absent[0]} changes a bias, and this checkpoint has none there; use another"
            )

    def _changes(self, name: str, module: str) -> bool:
        leaves = self.modules.get(module, set())
        return bool(leaves & OF_BIAS if _is_bias(name) else leaves - OF_BIAS)

    def __contains__(self, name: str) -> bool:
        return name in self.thirds

    def delta(self, name: str, weight: Tensor) -> Tensor:
        """What is added to `weight` at strength 1, in its shape."""
        change = torch.zeros_like(weight)
        for third in self.thirds[name]:
            rows = len(weight) // third.of
            own = slice(third.index * rows, (third.index + 1) * rows)
            change[own] += self._module_delta(third.module, weight[own], _is_bias(name))
        return change

    def _module_delta(self, module: str, weight: Tensor, is_bias: bool) -> Tensor:
        weights = self.module_weights(module)
        try:
            if is_bias:
                return next(
                    weights[leaf].float().reshape(weight.shape) for leaf in OF_BIAS if leaf in weights
                )
            own = {leaf: tensor for leaf, tensor in weights.items() if leaf not in OF_BIAS}
            delta: Tensor = adapter_of(module, own, weight, self.path).delta(weight)
        except (RuntimeError, KeyError, AssertionError) as error:
            raise UserError(
                f"{self.path}: {module} does not fit this checkpoint ({' '.join(str(error).split())[:200]})"
            ) from error
        return delta

    def module_weights(self, module: str) -> dict[str, Tensor]:
        return {
            key.removeprefix(f"{module}."): stored.read().reshape(stored.shape)
            for key, stored in self.file.tensors.items()
            if key.startswith(f"{module}.")
        }


def modules_of(file: TensorFile) -> dict[str, set[str]]:
    """The modules of a network file, each with its leaves; a file of another kind is a user error."""
    modules = {
        name: set(leaves) for name, leaves in grouped(dict.fromkeys(file.tensors, torch.empty(0))).items()
    }
    if foreign := sorted(module for module in modules if not module.startswith(("lora_unet_", "lora_te"))):
        raise UserError(
            f"{file.path} holds {', '.join(foreign[:3])}: it is no network that changes weights alone, and"
            " cannot be baked in"
        )
    return modules


def adapter_of(module: str, weights: Mapping[str, Tensor], weight: Tensor, path: Path) -> Adapter:
    """The adapter of a module, on a layer that has the given weight."""
    reader = next((each for each in READERS if any(mark in weights for mark in each.marks)), None)
    if reader is None:
        raise UserError(
            f"{path}: {module} holds {', '.join(sorted(weights)[:4])}, which is of no known algorithm"
        )
    layer = _layer_of(weight)
    layer.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
    return fitted(reader, layer, weights).eval()


def _layer_of(weight: Tensor) -> nn.Module:
    """A layer of the weight's shape: a norm where that has one axis."""
    out, *inner = weight.shape
    if not inner:
        return nn.LayerNorm(out, device="meta")
    inside, *kernel = inner
    if not kernel:
        return nn.Linear(inside, out, bias=False, device="meta")
    return nn.Conv2d(inside, out, tuple(kernel), bias=False, device="meta")  # type: ignore[arg-type]


def _is_bias(name: str) -> bool:
    return name.endswith("bias")


def thirds_of(name: str) -> list[Third]:
    """Modules that may change the weight or bias of this single-file name; of the U-Net's, which have two
    names each, first the one that SDXL's files use.
    """
    part = part_of(name)
    if part == "unet" and name.endswith((".weight", ".bias")):
        own = (name.removeprefix(UNET_PREFIX), diffusers_unet_name(name))
        return [Third(LORA_UNET + _module(each)) for each in own]
    if part != "text_encoder" or not name.endswith(("weight", "bias")):
        return []
    if name.startswith(TEXT_PREFIX):
        return [Third(LORA_TEXT + _module(name.removeprefix(TEXT_PREFIX)))]
    for prefix, lora in zip((*XL_TEXT_PREFIXES, SD2_TEXT_PREFIX), (*LORA_TEXTS, LORA_TEXT), strict=True):
        if name.startswith(prefix):
            return _openclip_thirds(name.removeprefix(prefix), lora)
    return []


def _openclip_thirds(name: str, lora: str) -> list[Third]:
    if name.startswith("text_model."):
        return [Third(lora + _module(name))]
    for ours, theirs in OPENCLIP.items():
        name = name.replace(theirs, ours)
    stem = lora + "text_model_"
    if name.endswith(("in_proj_weight", "in_proj_bias")):
        place = stem + name.rpartition("in_proj_")[0].replace(".", "_")
        return [Third(f"{place}{third}_proj", index, len(THIRDS)) for index, third in enumerate(THIRDS)]
    return [Third(stem + _module(name))]


def _module(name: str) -> str:
    return name.removesuffix(".weight").removesuffix(".bias").replace(".", "_")
