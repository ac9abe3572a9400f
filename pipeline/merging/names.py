"""One name for each weight, whatever the layout of its file: that of the original (LDM, SGM) single files.

A diffusers folder's weights are renamed. The second text encoder of SDXL (and SD 2.x's only one) is OpenCLIP:
single files hold the queries', keys' and values' weights in one tensor, folders in three
(huggingface/diffusers loaders/single_file_utils.py); three become one here.
"""

import re

from pipeline.base.ldm_keys import (
    RESNET,
    TEXT_PREFIX,
    UNET_ENDS,
    UNET_PREFIX,
    VAE_PREFIX,
    text_encoder_key,
    unet_key,
    vae_key,
)

SD2_TEXT_PREFIX = "cond_stage_model.model."
XL_TEXT_PREFIXES = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
EMA_PREFIX = "model_ema."
PARTS = {
    UNET_PREFIX: "unet",
    VAE_PREFIX: "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.": "text_encoder",
    EMA_PREFIX: "ema",
    "optimizer": "optimizer",
    "lr_scheduler": "optimizer",
}
XL_ENDS = {"add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2"}
ENDS = {theirs: ours for ours, theirs in (UNET_ENDS | XL_ENDS).items()}
RESNET_PLACES = {theirs: ours for ours, theirs in RESNET.items()}
XL_UPSAMPLER = re.compile(r"up_blocks\.0\.upsamplers\.0\.conv\.(\w+)")
OPENCLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    ".self_attn.": ".attn.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}
THIRDS = ("q", "k", "v")
FUSED = re.compile(r"(.+\.attn\.)([qkv])_proj\.(weight|bias)")
OLD_TEXT = re.compile(rf"{re.escape(TEXT_PREFIX)}(embeddings|encoder|final_layer_norm)\.")
VAE_SIGNS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


def part_of(name: str) -> str:
    """unet, text_encoder, vae, ema, optimizer; `other` for the noise schedule's tensors and the like."""
    return next((part for prefix, part in PARTS.items() if name.startswith(prefix)), "other")


def single_file_name(name: str) -> str:
    """A single file's name for a weight, without old aliases: SD 1.x files exist that lack the `text_model.`
    level.
    """
    if OLD_TEXT.match(name):
        return f"{TEXT_PREFIX}text_model.{name.removeprefix(TEXT_PREFIX)}"
    return name


def vae_name(name: str) -> str:
    """From a file that holds a VAE alone, in either layout."""
    if name.startswith(VAE_PREFIX):
        return name
    is_diffusers = re.search(r"\.(down|up|mid)_blocks?\.|conv_norm_out", name) is not None
    return vae_key(name) if is_diffusers else VAE_PREFIX + name


def unet_name(key: str, is_xl: bool) -> str:
    """diffusers' name -> `model.diffusion_model.`...; SDXL's first upsampler stands behind attention."""
    name, _, leaf = key.rpartition(".")
    if name in XL_ENDS:
        return f"{UNET_PREFIX}{XL_ENDS[name]}.{leaf}"
    if is_xl and (match := XL_UPSAMPLER.fullmatch(key)):
        return f"{UNET_PREFIX}output_blocks.2.2.conv.{match[1]}"
    return unet_key(key)


def text_name(key: str, prefix: str) -> tuple[str, str | None]:
    """(name, which third) of a text encoder's weight: `q`, `k` or `v` where the file has the three in one."""
    own = text_encoder_key(key) if not key.startswith("text_projection") else key
    if prefix not in (SD2_TEXT_PREFIX, XL_TEXT_PREFIXES[1]):
        return prefix + own, None
    own = own.removeprefix("text_model.")
    for ours, theirs in OPENCLIP.items():
        own = own.replace(ours, theirs)
    if own == "text_projection.weight":
        own = "text_projection"
    if match := FUSED.fullmatch(own):
        return f"{prefix}{match[1]}in_proj_{match[3]}", match[2]
    return prefix + own, None


def diffusers_unet_name(name: str) -> str:
    """`model.diffusion_model.`... -> diffusers' name: `unet_name`, turned round."""
    rest = name.removeprefix(UNET_PREFIX)
    place, _, leaf = rest.rpartition(".")
    if place in ENDS:
        return f"{ENDS[place]}.{leaf}"
    if match := re.fullmatch(r"middle_block\.([0-9])\.(.+)", rest):
        number = int(match[1])
        inner = f"attentions.0.{match[2]}" if number == 1 else f"resnets.{number // 2}.{_resnet(match[2])}"
        return f"mid_block.{inner}"
    match = re.fullmatch(r"(input|output)_blocks\.([0-9]{1,3})\.([0-9])\.(.+)", rest)
    if match is None:  # a stranger's addition
        return rest
    is_down, number, inside, own = match[1] == "input", int(match[2]), int(match[3]), match[4]
    level, index = divmod(number - 1 if is_down else number, 3)
    side = f"{'down' if is_down else 'up'}_blocks.{level}"
    if own.startswith(("op.", "conv.")):
        return f"{side}.{'downsamplers' if is_down else 'upsamplers'}.0.conv.{leaf}"
    return f"{side}.resnets.{index}.{_resnet(own)}" if inside == 0 else f"{side}.attentions.{index}.{own}"


def _resnet(own: str) -> str:
    place, _, leaf = own.rpartition(".")
    return f"{RESNET_PLACES.get(place, place)}.{leaf}"  # the place itself: a stranger's addition
