"""Names of an MMDiT's weights in diffusers' layout and in the original one of single files
(Stability-AI/sd3.5 mmditx.py), which keeps queries, keys and values in one tensor.

The last norms give (scale, shift) in diffusers and (shift, scale) in the original, so that the halves of two
layers are exchanged: the final one, and the text's in the last block.
"""

import re

from pipeline.bases.clip_names import THIRDS
from pipeline.bases.origins import Held, Origin, TensorForm

MMDIT_PREFIX = "model.diffusion_model."

OUTER = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "context_embedder": "context_embedder",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}
WHOLE = {
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
"""Inside a block, layers that both layouts have."""
FUSED = {
    "x_block.attn.qkv": "attn.to_{}",
    "context_block.attn.qkv": "attn.add_{}_proj",
    "x_block.attn2.qkv": "attn2.to_{}",
}
"""Inside a block, the original's layers that diffusers has in three."""
THIRD_OF = {ours.format(third): (theirs, index) for theirs, ours in FUSED.items()
            for index, third in enumerate(THIRDS)}  # fmt: skip
OURS_OUTER = {theirs: ours for ours, theirs in OUTER.items()}
OURS = {theirs: ours for ours, theirs in WHOLE.items()}
OUR_BLOCK = re.compile(r"transformer_blocks\.([0-9]{1,3})\.(.+)")
THEIR_BLOCK = re.compile(r"joint_blocks\.([0-9]{1,3})\.(.+)")
CONTEXT_NORM = "norm1_context.linear"


def layer_origin(path: str, layers: int) -> Origin:
    """The place of a layer in the original layout, from its path in diffusers' model of so many blocks.

    Raises:
        KeyError: no MMDiT has such a layer.
    """
    match = OUR_BLOCK.fullmatch(path)
    if match is None:
        form = TensorForm.SWAPPED if path == "norm_out.linear" else TensorForm.SAME
        return Origin(OUTER[path], form=form)
    number, inner = int(match[1]), match[2]
    if inner in THIRD_OF:
        fused, index = THIRD_OF[inner]
        return Origin(f"joint_blocks.{number}.{fused}", index, len(THIRDS))
    is_last = inner == CONTEXT_NORM and number == layers - 1
    form = TensorForm.SWAPPED if is_last else TensorForm.SAME
    return Origin(f"joint_blocks.{number}.{WHOLE[inner]}", form=form)


def weight_origin(name: str, layers: int) -> Origin:
    """The place of a weight or bias in a single file."""
    if name in OUTER:  # a table: it has no leaf
        return Origin(MMDIT_PREFIX + OUTER[name])
    path, _, leaf = name.rpartition(".")
    place = layer_origin(path, layers)
    return place.at(f"{MMDIT_PREFIX}{place.key}.{leaf}")


def held_layers(path: str) -> list[Held]:
    """The layers of diffusers' model that a layer of the original holds.

    Raises:
        KeyError: no MMDiT has such a layer.
    """
    match = THEIR_BLOCK.fullmatch(path)
    if match is None:
        return [Held(OURS_OUTER[path])]
    place, inner = f"transformer_blocks.{match[1]}", match[2]
    if inner in FUSED:
        return [
            Held(f"{place}.{FUSED[inner].format(third)}", index, len(THIRDS))
            for index, third in enumerate(THIRDS)
        ]
    return [Held(f"{place}.{OURS[inner]}")]


def held_weights(name: str) -> list[Held]:
    """The same of a weight or bias, by its name without prefix."""
    if name in OURS_OUTER:
        return [Held(OURS_OUTER[name])]
    path, _, leaf = name.rpartition(".")
    return [Held(f"{each.name}.{leaf}", each.piece, each.pieces) for each in held_layers(path)]
