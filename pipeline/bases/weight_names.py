"""One name for each weight, whatever the layout of its file: that of the original (LDM, SGM) single files.

A diffusers folder's weights are renamed. The second text encoder of SDXL (and SD 2.x's only one) is OpenCLIP:
single files hold the queries', keys' and values' weights in one tensor, folders in three
(huggingface/diffusers loaders/single_file_utils.py); three become one here.
"""

import re

from pipeline.bases import unet_names, vae_names
from pipeline.bases.clip_names import clip_origin, openclip_origin
from pipeline.bases.origins import Origin
from pipeline.bases.registry import family
from pipeline.bases.structure import EMA_PREFIX

UNET_PREFIX, VAE_PREFIX = unet_names.PREFIX, vae_names.PREFIX
TEXT_PREFIX = family("sd1").part("text_encoder").file_prefix
SD2_TEXT_PREFIX = family("sd2").part("text_encoder").file_prefix
XL_TEXT_PREFIXES = tuple(family("sdxl").part(name).file_prefix for name in ("text_encoder", "text_encoder_2"))
PARTS = {
    UNET_PREFIX: "unet",
    VAE_PREFIX: "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.": "text_encoder",
    EMA_PREFIX: "ema",
    "optimizer": "optimizer",
    "lr_scheduler": "optimizer",
}
OLD_TEXT = re.compile(rf"{re.escape(TEXT_PREFIX)}(embeddings|encoder|final_layer_norm)\.")
VAE_SIGNS = vae_names.SIGNS
ATTENTION = {False: (False, True, True, True), True: (True, True, False)}
"""Levels of the way up that have it, by whether a U-Net is SDXL's."""


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


def unet_name(key: str, is_xl: bool) -> str:
    """diffusers' name -> `model.diffusion_model.`...; SDXL's first upsampler is behind attention."""
    return UNET_PREFIX + unet_names.ldm_name(key, ATTENTION[is_xl])


def text_origin(key: str, prefix: str) -> Origin:
    """Where a text encoder's weight is in a single file."""
    is_openclip = prefix in (SD2_TEXT_PREFIX, XL_TEXT_PREFIXES[1])
    return openclip_origin(key, prefix) if is_openclip else clip_origin(key, prefix)


def diffusers_unet_name(name: str) -> str:
    """`model.diffusion_model.`... -> diffusers' name; a stranger's addition as it is."""
    rest = name.removeprefix(UNET_PREFIX)
    try:
        return unet_names.diffusers_name(rest)
    except KeyError:
        return rest
