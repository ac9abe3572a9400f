"""Which family a checkpoint belongs to, told from its names and shapes before any weight is read.

SD 1.x is what can be trained: a U-Net of four levels with two layers a block, cross-attention in three of
them, one CLIP text encoder.
"""

import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.base.ldm_keys import TEXT_PREFIX, UNET_PREFIX

Shapes = dict[str, tuple[int, ...]]

HEADER_KEY = "athanor.base"
"""Header entry of our own single files: configurations of the parts and the tokenizer's two files, as
JSON.
"""
SD1 = "Stable Diffusion 1.x"
SIGNS = {
    "conditioner.embedders.1.": "SDXL",
    "conditioner.embedders.0.": "SDXL refiner",
    "cond_stage_model.model.": "Stable Diffusion 2.x",
    "double_blocks.": "Flux",
    "model.diffusion_model.double_blocks.": "Flux",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "lora_unet_": "LoRA (a network, not a checkpoint)",
    TEXT_PREFIX: SD1,
}
"""First part of a key that only this family has."""


def family_of_file(shapes: Shapes) -> str | None:
    """Family of a single-file checkpoint in the original layout; None where no sign is known."""
    found = next(
        (family for sign, family in SIGNS.items() if any(key.startswith(sign) for key in shapes)), None
    )
    first = shapes.get(f"{UNET_PREFIX}input_blocks.0.0.weight")
    if found == SD1 and first and first[1] != 4:
        return f"{SD1} with {first[1]} input channels (inpainting or instruct-pix2pix)"
    return found


def family_of_unet(config: dict[str, Any]) -> str:
    """Family of a diffusers folder by its unet/config.json."""
    if config.get("addition_embed_type") == "text_time":
        return "SDXL"
    if config.get("use_linear_projection"):
        return "Stable Diffusion 2.x"
    if config.get("in_channels", 4) != 4:
        return f"{SD1} with {config['in_channels']} input channels (inpainting or instruct-pix2pix)"
    known = len(config.get("block_out_channels", ())) == 4 and config.get("layers_per_block", 2) == 2
    return SD1 if known else "an unknown family"


@cache
def sd1_configs() -> dict[str, dict[str, Any]]:
    """Configurations of SD 1.x's parts, as published with SD 1.5: unet, vae, text_encoder, scheduler."""
    folder = files("pipeline.base") / "sd1"
    return {
        part: json.loads((folder / f"{part}.json").read_text())
        for part in ("unet", "vae", "text_encoder", "scheduler")
    }


def clip_merges() -> str:
    """OpenAI's published merges.txt."""
    return gzip.decompress((files("pipeline.base") / "sd1" / "merges.txt.gz").read_bytes()).decode()


def clip_vocabulary(merges: str) -> dict[str, int]:
    """{token: id} of CLIP's tokenizer; it follows from the merges by rule."""
    symbols = byte_symbols()
    tokens = [
        *symbols,
        *(s + "</w>" for s in symbols),
        *(pair.replace(" ", "") for pair in merges.split("\n")[1:-1]),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return {token: index for index, token in enumerate(tokens)}


def write_clip_tokenizer(folder: Path) -> None:
    """CLIP's vocab.json and merges.txt."""
    merges = clip_merges()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    vocabulary = json.dumps(clip_vocabulary(merges), ensure_ascii=False)
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")


def older_tokenizer_files(tokenizer: Mapping[str, Any]) -> dict[str, str]:
    """vocab.json and merges.txt from the content of a tokenizer.json, which holds the same."""
    model = tokenizer["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    return {
        "vocab.json": json.dumps(model["vocab"], ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
    }


def byte_symbols() -> list[str]:
    """The 256 symbols that stand for bytes in CLIP's vocabulary: printable ones as themselves, the rest from
    U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
