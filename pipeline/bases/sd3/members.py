"""Which member of the family an MMDiT is, by its names and shapes; no weight is read, no torch loaded.

    3 medium     24 blocks, no norm of queries and keys
    3.5 medium   24 blocks, norms, a second attention in blocks 0 to 12
    3.5 large    38 blocks, norms

The configuration follows from the shapes, so that narrow models of the same structure are read, too.
"""

import math
import re
from collections.abc import Mapping
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
    """diffusers' configuration of the MMDiT in a file with these shapes. `published`: of any member."""
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    blocks: dict[str, set[int]] = {}
    for name in own:
        if match := _BLOCK.fullmatch(name):
            blocks.setdefault(match[2], set()).add(int(match[1]))
    width, channels = _axes(own, "x_embedder.proj.weight", 4)[:2]
    patch = int(published["patch_size"])
    head = own[f"joint_blocks.0.{QUERY_NORM}"][0] if QUERY_NORM in blocks else min(ATTENTION_WIDTH, width)
    return {
        **published,
        "num_layers": 1 + max(blocks["context_block.attn.qkv.weight"]),
        "attention_head_dim": head,
        "num_attention_heads": width // max(head, 1),
        "caption_projection_dim": width,
        "in_channels": channels,
        "out_channels": _axes(own, "final_layer.linear.weight", 2)[0] // patch**2,
        "joint_attention_dim": _axes(own, "context_embedder.weight", 2)[1],
        "pooled_projection_dim": _axes(own, "y_embedder.mlp.0.weight", 2)[1],
        "pos_embed_max_size": math.isqrt(_axes(own, "pos_embed", 3)[1]),
        "qk_norm": "rms_norm" if QUERY_NORM in blocks else None,
        "dual_attention_layers": sorted(blocks.get(SECOND_ATTENTION, ())),
    }


def _axes(shapes: TensorShapes, name: str, count: int) -> tuple[int, ...]:
    """Shape of a tensor; zeros for one that is not there or has other axes: its reader then reports it."""
    shape = shapes.get(name, ())
    return shape if len(shape) == count else (0,) * count
