"""Adapters of Stable Diffusion 3 in the original layout: `lora_unet_joint_blocks_0_x_block_attn_qkv` in
sd-scripts' files, `diffusion_model.joint_blocks.0.x_block.attn.qkv` in ComfyUI's.

It has queries, keys and values in one layer, and the halves of two norms the other way round
(pipeline/bases/mmdit_names.py). Read, a fused layer becomes three with the same first matrix and a third
of the second's rows each. Written, three become one with the sum of their ranks: its second matrix is
block-diagonal, and alpha is its rank, because readers divide alpha by that.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from pipeline.bases.clip_names import THIRDS
from pipeline.bases.mmdit_blocks import MOST_JOINT_BLOCKS
from pipeline.bases.mmdit_names import FUSED, OUTER, THIRD_OF, WHOLE, held_layers, layer_origin
from pipeline.bases.origins import Held
from pipeline.errors import UserError
from pipeline.networks.layouts import MAGNITUDE, UP, UP_BIAS, FileKey, file_key
from pipeline.networks.module_names import LORA_UNET_PREFIX, TRANSFORMER_PREFIX
from pipeline.networks.scales import DOWN

ORIGINAL_STARTS = ("model.diffusion_model.", "diffusion_model.", LORA_UNET_PREFIX, "lycoris_")
LOKR_ROWS = ("lokr_w1", "lokr_w1_a")
BY_OUTPUT = (UP, UP_BIAS, MAGNITUDE, "dora_scale", "diff", "diff_b", "hada_w1_a", "hada_w2_a", *LOKR_ROWS)
"""Leaves whose first axis is the layer's output, or, of a Kronecker product, its slower part."""
FOR_ALL = (
    DOWN, "alpha", "scalar", "hada_w1_b", "hada_w2_b", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b",
)  # fmt: skip
"""Leaves that the three layers, or both halves, share."""
JOINT = re.compile(r"joint_blocks[._]([0-9]{1,3})[._](.+)")
SWAPPED_NORM, TEXT_NORM_ENDS = "norm_out.linear", "norm1_context.linear"
JOINT_TEXT_NORM = re.compile(r"context_block[._]adaLN_modulation")
FUSED_SIDES = (
    (((UP,),), (("hada_w1_a",),), (("diff",),), (LOKR_ROWS, ("lokr_w2", "lokr_w2_a"))),
    (((DOWN,),), (("hada_w1_b",),), (("diff",),), (("lokr_w1", "lokr_w1_b"), ("lokr_w2", "lokr_w2_b"))),
)
"""Leaves with a layer's output and its input side, by algorithm: one matrix, or factors of a product."""


def by_diffusers_layers(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The file with diffusers' layers in place of the original's; other keys unchanged. Raises UserError for
    an algorithm whose fused layers cannot be divided.
    """
    made: dict[str, Tensor] = {}
    halved = _halved(tensors)
    for key, tensor in tensors.items():
        split = file_key(key)
        layers = _layers_of(split.module) if split else []
        if split is None or not layers:
            made[key] = tensor
            continue
        end = key.removeprefix(split.module)
        for held in layers:
            piece = _piece(tensor, split, held, path)
            is_halved = held.name == SWAPPED_NORM or split.module in halved
            made[f"transformer.{held.name}{end}"] = _turned(piece, split, path) if is_halved else piece
    return made


def _layers_of(module: str) -> list[Held]:
    """diffusers' layers in a layer of the original; empty for other modules."""
    start = next((start for start in ORIGINAL_STARTS if module.startswith(start)), None)
    if start is None:
        return []
    bare = module.removeprefix(start)
    if match := JOINT.fullmatch(bare):
        inner = _inner_names().get(match[2].replace(".", "_"))
        return held_layers(f"joint_blocks.{int(match[1])}.{inner}") if inner else []
    return _top_names().get(bare.replace(".", "_"), [])


@cache
def _inner_names() -> dict[str, str]:
    return {name.replace(".", "_"): name for name in (*WHOLE.values(), *FUSED)}


@cache
def _top_names() -> dict[str, list[Held]]:
    return {theirs.replace(".", "_"): [Held(ours)] for ours, theirs in OUTER.items()}


def _halved(tensors: Mapping[str, Tensor]) -> set[str]:
    """The text's norm in the last block: it gives two vectors of the layer's width, the others six."""
    shapes: dict[str, dict[str, torch.Size]] = {}
    for key, tensor in tensors.items():
        if (split := file_key(key)) and JOINT_TEXT_NORM.search(split.module):
            shapes.setdefault(split.module, {})[split.leaf] = tensor.shape
    return {module for module, leaves in shapes.items() if _gives_two_vectors(leaves)}


def _gives_two_vectors(leaves: Mapping[str, torch.Size]) -> bool:
    """Whether a layer's output is twice its input, by the sides of its adapter's matrices."""
    out, inside = (_side(leaves, ends, axis) for axis, ends in enumerate(FUSED_SIDES))
    return out > 0 and out == 2 * inside


def _side(leaves: Mapping[str, torch.Size], kinds: Sequence[Sequence[Sequence[str]]], axis: int) -> int:
    """The product of a matrix's factors' sides along one axis; 0 for an algorithm that is not known here."""
    for factors in kinds:
        found = [next((leaves[name] for name in names if name in leaves), None) for names in factors]
        if all(shape is not None and len(shape) > 1 for shape in found):
            return prod(shape[axis] for shape in found if shape is not None)
    return 0


def _piece(tensor: Tensor, key: FileKey, held: Held, path: Path) -> Tensor:
    if held.pieces == 1 or key.leaf in FOR_ALL:
        return tensor
    rows = tensor.shape[:1].numel()
    if key.leaf in BY_OUTPUT and rows % held.pieces == 0:
        return tensor.chunk(held.pieces)[held.piece].clone()
    what = f"{key.leaf} of {rows} rows" if key.leaf in LOKR_ROWS else key.leaf
    raise UserError(
        f"{path}: {key.module} has {what} for queries, keys and values together, which cannot be divided into"
        " three layers; use a LoRA, a LoHa, or a LoKr with a factor that 3 divides"
    )


def _turned(tensor: Tensor, key: FileKey, path: Path) -> Tensor:
    """With the halves of its outputs exchanged. Raises UserError for an algorithm that cannot say which."""
    is_by_input = key.leaf == "dora_scale" and tensor.shape[:1] == (1,)
    if key.leaf in FOR_ALL or is_by_input:
        return tensor
    if key.leaf not in BY_OUTPUT or tensor.shape[:1].numel() % 2:
        raise UserError(
            f"{path}: {key.module} has {key.leaf} of shape {list(tensor.shape)}; the layer's two halves are"
            " the other way round here, and those of this leaf cannot be exchanged; use a LoRA, a LoHa, or a"
            " LoKr with an even factor"
        )
    return torch.cat(tensor.chunk(2)[::-1])


def to_original(modules: Mapping[str, Mapping[str, Tensor]], path: Path) -> dict[str, Tensor]:
    """sd-scripts' keys of a LoRA, from modules by this pipeline's names. Raises UserError for other
    algorithms.
    """
    made: dict[str, Tensor] = {}
    fused: dict[str, dict[int, tuple[Tensor, Tensor]]] = {}
    for module, weights in modules.items():
        layer = _own_paths().get(module)
        if layer is None:
            made |= {f"{module}.{leaf}": tensor for leaf, tensor in weights.items()}
            continue
        if weights.keys() - {"alpha"} != {DOWN, UP}:
            raise UserError(
                f"{path}: {module} has {', '.join(sorted(weights))}; only plain LoRA has sd-scripts' layout:"
                " run `convert ... --to lora` first"
            )
        place = layer_origin(layer, layers=0)
        name = LORA_UNET_PREFIX + place.key.replace(".", "_")
        down, up = weights[DOWN], weights[UP]
        alpha = float(weights.get("alpha", torch.tensor(float(len(down)))))
        if place.pieces > 1:
            fused.setdefault(name, {})[place.piece] = down, up * (alpha / len(down))
            continue
        is_text_norm = layer.endswith(TEXT_NORM_ENDS)
        is_halved = layer == SWAPPED_NORM or (
            is_text_norm and _gives_two_vectors({DOWN: down.shape, UP: up.shape})
        )
        made |= _pair(name, down, torch.cat(up.chunk(2)[::-1]) if is_halved else up, alpha)
    for name, pieces in fused.items():
        made |= _joined(name, pieces)
    return made


def _joined(name: str, pieces: Mapping[int, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """One layer from up to three; a layer that was not trained has zeros."""
    rows = len(next(iter(pieces.values()))[1])
    down = torch.cat([pieces[piece][0] for piece in sorted(pieces)])
    up = down.new_zeros(len(THIRDS) * rows, len(down))
    start = 0
    for piece in sorted(pieces):
        own_down, own_up = pieces[piece]
        up[piece * rows : (piece + 1) * rows, start : start + len(own_down)] = own_up
        start += len(own_down)
    return _pair(name, down, up, float(len(down)))


def _pair(name: str, down: Tensor, up: Tensor, alpha: float) -> dict[str, Tensor]:
    leaves = {DOWN: down, UP: up.contiguous(), "alpha": torch.tensor(alpha)}
    return {f"{name}.{leaf}": tensor for leaf, tensor in leaves.items()}


@cache
def _own_paths() -> dict[str, str]:
    """Paths in diffusers' model by this pipeline's names of layers."""
    inside = (*WHOLE, *THIRD_OF)
    paths = [
        *OUTER,
        *(f"transformer_blocks.{n}.{inner}" for n in range(MOST_JOINT_BLOCKS) for inner in inside),
    ]
    return {TRANSFORMER_PREFIX + path.replace(".", "_"): path for path in paths}
