"""Which member of the family an MMDiT is, by its names and shapes; no weight is read, no torch loaded.

    3 medium     24 blocks, no norm of queries and keys
    3.5 medium   24 blocks, norms, a second attention in blocks 0 to 12
    3.5 large    38 blocks, norms

The configuration follows from the shapes, so that narrow models of the same structure are read, too.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from pipeline.bases.sd3.facts import LARGE_35, MEDIUM, MEDIUM_35
from pipeline.bases.structure import TensorShapes

_BLOCK = re.compile(r"joint_blocks\.([0-9]{1,3})\.(.+)")
ATTENTION_WIDTH = 64
"""Of one head in all published ones, whose blocks have as many heads as there are blocks."""
QUERY_NORM = "x_block.attn.ln_q.weight"
SECOND_ATTENTION = "x_block.attn2.qkv.weight"


def member_of(config: Mapping[str, Any]) -> str:
    """modelspec.architecture of the member with this configuration."""
    if config.get("qk_norm") is None:
        return MEDIUM
    return MEDIUM_35 if config.get("dual_attention_layers") else LARGE_35


def transformer_config(published: Mapping[str, Any], shapes: TensorShapes, prefix: str) -> dict[str, Any]:
    """diffusers' configuration of the MMDiT in a file with these shapes, unchecked. `published`: of any
    member; its numbers hold for tensors that are absent or have other axes, which their reader reports.
    """
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    blocks: dict[str, set[int]] = {}
    for name in own:
        if match := _BLOCK.fullmatch(name):
            blocks.setdefault(match[2], set()).add(int(match[1]))
    width = _axis(own, "x_embedder.proj.weight", 4, 0)
    positions, outputs = _axis(own, "pos_embed", 3, 1), _axis(own, "final_layer.linear.weight", 2, 0)
    found = {
        **(_heads(own, width, blocks.get(QUERY_NORM)) if width is not None else {}),
        "caption_projection_dim": width,
        "in_channels": _axis(own, "x_embedder.proj.weight", 4, 1),
        "out_channels": None if outputs is None else outputs // int(published["patch_size"]) ** 2,
        "joint_attention_dim": _axis(own, "context_embedder.weight", 2, 1),
        "pooled_projection_dim": _axis(own, "y_embedder.mlp.0.weight", 2, 1),
        "pos_embed_max_size": None if positions is None else math.isqrt(positions),
    }
    return {
        **published,
        **{name: value for name, value in found.items() if value is not None},
        "num_layers": 1 + max(blocks["context_block.attn.qkv.weight"]),
        "qk_norm": "rms_norm" if QUERY_NORM in blocks else None,
        "dual_attention_layers": sorted(blocks.get(SECOND_ATTENTION, ())),
    }


def _heads(shapes: TensorShapes, width: int, normed: Collection[int] | None) -> dict[str, int]:
    """Width and number of heads. normed: blocks with a norm of queries, which is as wide as a head."""
    norm = _axis(shapes, f"joint_blocks.{min(normed)}.{QUERY_NORM}", 1, 0) if normed else None
    head = min(ATTENTION_WIDTH, width) if norm is None else norm
    return {"attention_head_dim": head, "num_attention_heads": width // max(head, 1)}


def _axis(shapes: TensorShapes, name: str, count: int, axis: int) -> int | None:
    """Length of an axis of a tensor; None for one that is not there or has not `count` axes."""
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) == count else None
