"""A trained network as changes of a checkpoint's weights, one at a time: what `bake` adds.

Modules are found by the names that files of kohya-ss/sd-scripts have: SD 1.x's by diffusers' paths, SDXL's by
the single files' (or diffusers' too). Its second text encoder's queries, keys and values are thirds of one
tensor. Any family of adapters whose change is one of weights is read; nothing of a file is left out in
silence.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.bases import weight_names
from pipeline.errors import UserError
from pipeline.files.damage import damage_told
from pipeline.files.tensor_file import Stored, TensorFile, open_tensors
from pipeline.networks.adapter import Adapter
from pipeline.networks.algorithms import READERS
from pipeline.networks.fitting import fitted
from pipeline.networks.layouts import by_sd_scripts_names, is_adapter, is_foreign
from pipeline.networks.network_files import grouped
from pipeline.networks.shapes import insist_on_shapes

OF_BIAS = {"diff_b", "b_norm"}
"""Leaves that change a layer's bias; all others change its weight."""


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
        pieces = {name: weight_names.modules_of(name) for name in tensors}
        by_module = {piece.module for found in pieces.values() for piece in found}
        if unknown := sorted(self.modules.keys() - by_module):
            raise UserError(
                f"{file.path}: {len(unknown)} of its modules are not in this checkpoint"
                f" ({', '.join(unknown[:3])} ...): it belongs to another family, or is no network of weights"
            )
        self.pieces = {
            name: found
            for name, all_ in pieces.items()
            if (found := [piece for piece in all_ if self._changes(name, piece.module)])
        }
        changed = {piece.module for name, found in self.pieces.items() if _is_bias(name) for piece in found}
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
        return name in self.pieces

    def delta(self, name: str, weight: Tensor) -> Tensor:
        """What is added to `weight` at strength 1, in its shape."""
        change = torch.zeros_like(weight)
        for piece in self.pieces[name]:
            rows = len(weight) // piece.of
            own = slice(piece.index * rows, (piece.index + 1) * rows)
            change[own] += self._module_delta(piece.module, weight[own], _is_bias(name))
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
