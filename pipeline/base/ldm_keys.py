"""Names of SD 1.x weights in diffusers' layout -> the original (LDM) layout of single-file checkpoints.

The rules follow the modules' places (CompVis/stable-diffusion ldm/modules/diffusionmodules/openaimodel.py and
model.py); they hold for any width. Both layouts hold the same tensors, but for the VAE's attention, whose
linear weights LDM keeps as 1x1 convolutions.
"""

import re

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."

UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
VAE_PARTS = {
    "conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "mid_block.attentions.0.": "mid.attn_1.",
    "mid_block.resnets.0.": "mid.block_1.", "mid_block.resnets.1.": "mid.block_2.",
    "group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out.",
    ".query.": ".q.", ".key.": ".k.", ".value.": ".v.", ".proj_attn.": ".proj_out.",
}  # fmt: skip
"""The last line: the attention's names in older diffusers, and so in the folders of SD 1.x on the hub."""
BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")


def unet_key(key: str) -> str:
    """`down_blocks.0.resnets.0.conv1.weight` ->
    `model.diffusion_model.input_blocks.1.0.in_layers.2.weight`.
    """
    name, _, leaf = key.rpartition(".")
    if name in UNET_ENDS:
        return f"{UNET_PREFIX}{UNET_ENDS[name]}.{leaf}"
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", key):
        kind, index, rest = match[1], int(match[2]), match[3]
        place = 1 if kind == "attentions" else 2 * index
        return f"{UNET_PREFIX}middle_block.{place}.{_resnet(rest) if kind == 'resnets' else rest}"
    match = BLOCK.fullmatch(key)
    assert match, key
    side, level, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if kind == "downsamplers":
        return f"{UNET_PREFIX}input_blocks.{3 * (level + 1)}.0.op.{leaf}"
    if kind == "upsamplers":
        return f"{UNET_PREFIX}output_blocks.{3 * level + 2}.{1 if level == 0 else 2}.conv.{leaf}"
    block = (
        f"input_blocks.{3 * level + index + 1}" if side == "down" else f"output_blocks.{3 * level + index}"
    )
    return f"{UNET_PREFIX}{block}.{'0.' + _resnet(rest) if kind == 'resnets' else '1.' + rest}"


def _resnet(rest: str) -> str:
    part, _, leaf = rest.partition(".")
    return f"{RESNET[part]}.{leaf}"


def vae_key(key: str) -> str:
    """`decoder.up_blocks.0.resnets.1.conv1.weight` ->
    `first_stage_model.decoder.up.3.block.1.conv1.weight`.
    """
    for ours, theirs in VAE_PARTS.items():
        key = key.replace(ours, theirs)
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{3 - int(m[1])}.block", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", key)
    return VAE_PREFIX + key


def text_encoder_key(key: str) -> str:
    """The name with the `text_model.` level, which transformers 5 leaves out and every other tool expects."""
    return key if key.startswith("text_model.") else f"text_model.{key}"


def ldm_key(part: str, key: str) -> str:
    """The single-file name of a weight of `unet`, `vae` or `text_encoder`."""
    if part == "unet":
        return unet_key(key)
    return vae_key(key) if part == "vae" else TEXT_PREFIX + text_encoder_key(key)
