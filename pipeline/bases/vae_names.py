"""Names of a VAE's weights in diffusers' layouts, new and old, and in single files.

Both layouts hold the same tensors; the attention's linear weights are 1x1 convolutions in single files.
"""

import re

from pipeline.bases.origins import Origin, TensorForm

LDM_VAE_PREFIX = "first_stage_model."
VAE_STARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
"""Prefixes of names in a file of a bare VAE."""
VAE_PARTS = {
    "conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "mid_block.attentions.0.": "mid.attn_1.",
    "mid_block.resnets.0.": "mid.block_1.", "mid_block.resnets.1.": "mid.block_2.",
    "group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out.",
    ".query.": ".q.", ".key.": ".k.", ".value.": ".v.", ".proj_attn.": ".proj_out.",
}  # fmt: skip
"""The last line: the attention's names in older diffusers, and so in the folders of SD 1.x on the hub."""
DIFFUSERS = re.compile(r"\.(down|up|mid)_blocks?\.|conv_norm_out")
VAE_LEVELS = 4


def ldm_name(name: str) -> str:
    """`decoder.up_blocks.0.resnets.1.conv1.weight` -> `decoder.up.3.block.1.conv1.weight`."""
    for ours, theirs in VAE_PARTS.items():
        name = name.replace(ours, theirs)
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{VAE_LEVELS - 1 - int(m[1])}.block", name)
    return re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{VAE_LEVELS - 1 - int(m[1])}.upsample", name
    )


def origin(name: str) -> Origin:
    """The place in a whole checkpoint of a weight with this diffusers name."""
    is_attention = ".attentions." in name and name.endswith(".weight") and ".group_norm." not in name
    return Origin(
        LDM_VAE_PREFIX + ldm_name(name), form=TensorForm.CONVOLUTION if is_attention else TensorForm.SAME
    )


def whole_checkpoint_name(name: str) -> str:
    """The name in a whole checkpoint, from the name in a file of a bare VAE in either layout."""
    name = name.removeprefix("vae.").removeprefix(LDM_VAE_PREFIX)
    return LDM_VAE_PREFIX + (ldm_name(name) if DIFFUSERS.search(name) else name)
