"""Extracts a LoRA from two checkpoints: the difference of every layer, at a rank.

Nothing is left out in silence: tensors that differ but do not fit into a LoRA are reported. (Other tools drop
the text encoder if it differs by less than a threshold.)
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.bases.weight_names import has_exchanged_halves, modules_of, part_of
from pipeline.errors import UserError
from pipeline.files.finite import insist_on_finite
from pipeline.merging.agreement import differences
from pipeline.merging.checkpoint import open_checkpoint
from pipeline.merging.lora_files import LoraFile
from pipeline.merging.lora_pairs import approximated
from pipeline.merging.tree import Leaf

XL_BLOCKS = 19


@dataclass(frozen=True)
class Extracted:
    """A LoRA from two checkpoints, and the tensors that differ but do not fit into a LoRA."""

    lora: LoraFile
    left_out: list[str]


def extract(tuned: Path, original: Path, dim: int, conv_dim: int) -> Extracted:
    """The difference of two checkpoints as a LoRA; kernels larger than 1x1 at rank `conv_dim`, 0 leaves them
    out. The text encoder is treated like the U-Net: only layers that do not differ at all are left out.
    """
    ours, theirs = open_checkpoint(tuned), open_checkpoint(original)
    nodes = [Leaf(str(each.path), each.blocks, each.tensors) for each in (ours, theirs)]
    for each in (ours, theirs):
        insist_on_finite(each.path, each.tensors)
    if problems := differences(*nodes):
        raise UserError(*problems)
    result, left_out = LoraFile({}, {}), []
    for name, stored in sorted(ours.tensors.items()):
        if part_of(name) not in ("unet", "text_encoder") or name.endswith("position_ids"):
            continue
        if name not in theirs.tensors:  # one that no picture depends on
            continue
        delta = nodes[0].numbers(name, 0, stored.numel) - nodes[1].numbers(name, 0, stored.numel)
        if not delta.any():
            continue
        pieces, kernel = modules_of(name), list(stored.shape[2:])
        rank = conv_dim if kernel not in ([], [1, 1]) else dim
        if not pieces or len(stored.shape) not in (2, 4) or ".embeddings." in name or not rank:
            left_out.append(name)
            continue
        chosen = pieces if pieces[0].of > 1 else [pieces[0 if len(ours.blocks) == XL_BLOCKS else -1]]
        for piece, rows in zip(chosen, delta.reshape(stored.shape[0], -1).chunk(len(chosen)), strict=True):
            is_turned = has_exchanged_halves(piece, name, stored.shape)
            own = rows.roll(len(rows) // 2, 0) if is_turned else rows
            result.pairs[piece.module], result.errors[piece.module] = approximated(own, rank)
            result.kernels[piece.module] = kernel
    return Extracted(result, left_out)
