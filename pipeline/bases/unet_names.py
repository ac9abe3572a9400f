"""Names of a U-Net's weights in diffusers' layout, and in the original (LDM, SGM) layout of single files.

The rules follow the modules' places (CompVis/stable-diffusion ldm/modules/diffusionmodules/openaimodel.py);
they hold for any width and for every family with a U-Net. Both layouts hold the same tensors.
"""

import re
from collections.abc import Sequence

LDM_UNET_PREFIX = "model.diffusion_model."
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
RESNETS_A_LEVEL = 2
"""Res blocks per level on the way down; the way up has one more."""
BLOCKS_A_LEVEL = RESNETS_A_LEVEL + 1
"""Blocks per level: the Res blocks and the down- or upsampler."""
LDM_STARTS = ("input_blocks.", "middle_block.", "output_blocks.", "time_embed", "label_emb", "out_", "out.")
DIFFUSERS_BLOCK = re.compile(
    r"(down|up)_blocks\.([0-9]{1,3})\.(resnets|attentions|downsamplers|upsamplers)\.([0-9]{1,3})\.(.+)"
)
DIFFUSERS_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.([0-9]{1,3})\.(.+)")
BLOCK = re.compile(r"(input|output)_blocks\.([0-9]{1,3})\.([0-9]{1,3})\.(.+)")
MIDDLE_BLOCK = re.compile(r"middle_block\.([0-9])\.(.+)")
RESAMPLER = re.compile(r"(?:op|conv)((?:\..+)?)")
_ENDS = {theirs: ours for ours, theirs in UNET_ENDS.items()}
_RESNET = {theirs: ours for ours, theirs in RESNET.items()}


def ldm_name(name: str, has_attention: Sequence[bool]) -> str:
    """`down_blocks.0.resnets.0.conv1.weight` -> `input_blocks.1.0.in_layers.2.weight`; also for a module's
    name.

    has_attention: which levels of the way up have attention, from the deepest; an upsampler comes after it.

    Raises:
        KeyError: no U-Net has such a name.
    """
    if match := DIFFUSERS_MIDDLE.fullmatch(name):
        index, inner = int(match[2]), match[3]
        is_resnet = match[1] == "resnets"
        return f"middle_block.{2 * index if is_resnet else 1}.{_swap(inner, RESNET) if is_resnet else inner}"
    match = DIFFUSERS_BLOCK.fullmatch(name)
    if match is None:
        return _swap(name, UNET_ENDS)
    way, level, kind, index, inner = match[1], int(match[2]), match[3], int(match[4]), match[5]
    first = BLOCKS_A_LEVEL * level
    if kind == "downsamplers":
        return f"input_blocks.{first + BLOCKS_A_LEVEL}.0.{inner.replace('conv', 'op', 1)}"
    if kind == "upsamplers":
        return f"output_blocks.{first + RESNETS_A_LEVEL}.{2 if has_attention[level] else 1}.{inner}"
    block = f"input_blocks.{first + index + 1}" if way == "down" else f"output_blocks.{first + index}"
    return f"{block}.0.{_swap(inner, RESNET)}" if kind == "resnets" else f"{block}.1.{inner}"


def diffusers_name(name: str) -> str:
    """The inverse: `input_blocks.1.0.in_layers.2.weight` -> `down_blocks.0.resnets.0.conv1.weight`.

    Raises:
        KeyError: no U-Net has such a name.
    """
    if match := MIDDLE_BLOCK.fullmatch(name):
        number, inner = int(match[1]), match[2]
        if number == 1:
            return f"mid_block.attentions.0.{inner}"
        return f"mid_block.resnets.{number // 2}.{_swap(inner, _RESNET)}"
    match = BLOCK.fullmatch(name)
    if match is None or name.startswith("input_blocks.0."):
        return _swap(name, _ENDS)
    is_down, number, inside, inner = match[1] == "input", int(match[2]), match[3], match[4]
    level, index = divmod(number - 1 if is_down else number, BLOCKS_A_LEVEL)
    way = f"{'down' if is_down else 'up'}_blocks.{level}"
    if sampler := RESAMPLER.fullmatch(inner):
        return f"{way}.{'down' if is_down else 'up'}samplers.0.conv{sampler[1]}"
    if inside == "0":
        return f"{way}.resnets.{index}.{_swap(inner, _RESNET)}"
    return f"{way}.attentions.{index}.{inner}"


def dotted(flat: str) -> str:
    """`down_blocks_0_attentions_1_proj_in` -> `down_blocks.0.attentions.1.proj_in`, only as far as blocks are
    named.
    """
    flat = re.sub(r"^(mid_block|middle_block|out)_(?=\d)", r"\1.", re.sub(r"^mid_block_", "mid_block.", flat))
    flat = re.sub(r"^(down_blocks|up_blocks|input_blocks|output_blocks|middle_block)_(\d+)_", r"\1.\2.", flat)
    flat = re.sub(r"(resnets|attentions|downsamplers|upsamplers)_(\d+)_", r"\1.\2.", flat, count=1)
    flat = re.sub(r"^(time_embedding|add_embedding)_", r"\1.", flat)
    return re.sub(r"^((?:input|output)_blocks\.\d+)\.(\d+)_", r"\1.\2.", flat)


def _swap(name: str, names: dict[str, str]) -> str:
    """The name with its longest known prefix replaced."""
    if name in names:
        return names[name]
    stem, _, leaf = name.rpartition(".")
    return f"{names[stem]}.{leaf}"
