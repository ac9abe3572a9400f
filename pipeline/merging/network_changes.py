"""A trained network as changes of a checkpoint's weights, one at a time; `bake` adds them.

Modules have the names of kohya-ss/sd-scripts' files: SD 1.x's follow diffusers' paths, SDXL's the single
files' (or diffusers' too). The queries, keys and values of its second text encoder are thirds of one tensor.
Every family of adapters that changes weights is read; nothing in a file is left out in silence.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.bases import weight_names
from pipeline.bases.weight_names import TensorPiece, has_exchanged_halves
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.tensor_file import Stored, TensorFile, open_tensors
from pipeline.networks.adapter import Adapter
from pipeline.networks.algorithms import READERS
from pipeline.networks.fitting import fitted
from pipeline.networks.layouts import is_adapter, is_foreign
from pipeline.networks.module_names import is_mmdit
from pipeline.networks.network_files import by_own_names, grouped
from pipeline.networks.shapes import insist_on_shapes

CHANGES_WEIGHTS = ("lora_unet_", "lora_transformer_", "lora_te")
"""How modules begin that change a checkpoint's weights."""
OF_BIAS = {"diff_b", "b_norm"}
"""Leaves that change a layer's bias; all others change its weight."""


def open_network(path: Path) -> TensorFile:
    """A network's file by sd-scripts' keys; other tools' keys are renamed in memory."""
    file = open_tensors(path)
    if not is_foreign(file.tensors) and not is_mmdit(file.tensors):
        if is_adapter(file.tensors):
            insist_on_shapes(file.tensors, path)
        return file
    with reporting_damage(f"{path} is not a readable network file"):
        tensors = {key: stored.read().reshape(stored.shape) for key, stored in file.tensors.items()}
        named = by_own_names(tensors, file.metadata, path)
    return TensorFile(path, {key: Stored.of(tensor) for key, tensor in named.items()}, file.metadata)


class NetworkChanges:
    """Changes by single-file name. Raises UserError for modules that the checkpoint does not have."""

    def __init__(self, label: str, file: TensorFile, tensors: Mapping[str, Stored]) -> None:
        self.label, self.path, self.file = label, file.path, file
        self.modules = modules_of(file)
        pieces = {name: weight_names.modules_of(name) for name in tensors}
        by_module = {piece.module for own in pieces.values() for piece in own}
        if unknown := sorted(self.modules.keys() - by_module):
            raise UserError(
                f"{file.path}: {len(unknown)} of its modules are not in this checkpoint"
                f" ({', '.join(unknown[:3])} ...): it belongs to another family, or does not change weights"
            )
        self.pieces = {
            name: relevant
            for name, all_ in pieces.items()
            if (relevant := [piece for piece in all_ if self._changes(name, piece.module)])
        }
        changed = {piece.module for name, own in self.pieces.items() if _is_bias(name) for piece in own}
        if absent := sorted(
            module for module, own in self.modules.items() if own & OF_BIAS and module not in changed
        ):
            raise UserError(
                f"{file.path}: {absent[0]} changes a bias that this checkpoint lacks; use another base"
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
            change[own] += self._piece_delta(piece, name, weight[own])
        return change

    def _piece_delta(self, piece: TensorPiece, name: str, weight: Tensor) -> Tensor:
        if not has_exchanged_halves(piece, name, weight.shape):
            return self._module_delta(piece.module, weight, _is_bias(name))
        half = len(weight) // 2
        return self._module_delta(piece.module, weight.roll(half, 0), _is_bias(name)).roll(half, 0)

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
    """The modules of a network file, each with its leaves. Raises UserError for other kinds of files."""
    modules = {
        name: set(leaves) for name, leaves in grouped(dict.fromkeys(file.tensors, torch.empty(0))).items()
    }
    if foreign := sorted(module for module in modules if not module.startswith(CHANGES_WEIGHTS)):
        raise UserError(
            f"{file.path} has {', '.join(foreign[:3])}: it is not a network that changes only weights, so it"
            " cannot be baked in"
        )
    return modules


def adapter_of(module: str, weights: Mapping[str, Tensor], weight: Tensor, path: Path) -> Adapter:
    """The adapter of a module, on a layer with the given weight."""
    reader = next((each for each in READERS if any(mark in weights for mark in each.marks)), None)
    if reader is None:
        raise UserError(
            f"{path}: {module} has {', '.join(sorted(weights)[:4])}, which no known algorithm uses"
        )
    layer = _layer_of(weight)
    layer.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
    return fitted(reader, layer, weights).eval()


def _layer_of(weight: Tensor) -> nn.Module:
    """A layer of the weight's shape: a norm if it has one axis."""
    out, *inner = weight.shape
    if not inner:
        return nn.LayerNorm(out, device="meta")
    inside, *kernel = inner
    if not kernel:
        return nn.Linear(inside, out, bias=False, device="meta")
    return nn.Conv2d(inside, out, tuple(kernel), bias=False, device="meta")  # type: ignore[arg-type]


def _is_bias(name: str) -> bool:
    return name.endswith("bias")
