"""LoRA in diffusers' layout, written: `unet.mid_block....to_q.lora_A.weight`, `.lora_B.weight`.

diffusers takes alpha = dim unless the header says otherwise (huggingface/diffusers loaders/lora_base.py and
loaders/lora_pipeline.py), so alpha / dim is written into the second matrix.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import Tensor

from pipeline.bases.registry import family
from pipeline.errors import UserError
from pipeline.networks.module_names import TEXT_PREFIX

TEXT_MODULE = re.compile(r"^text_model_encoder_layers_(\d+)_(self_attn|mlp)_(\w+)$")


def to_diffusers(modules: Mapping[str, Mapping[str, Tensor]], path: Path) -> dict[str, Tensor]:
    """diffusers' keys for a LoRA of SD 1.x; what is no LoRA, and an unknown module, is a user error."""
    paths = _paths()
    written = {}
    for module, weights in modules.items():
        if weights.keys() - {"alpha"} != {"lora_down.weight", "lora_up.weight"}:
            raise UserError(
                f"{path}: {module} holds {', '.join(sorted(weights))}; only plain LoRA has diffusers' layout:"
                " `convert ... --to lora` first"
            )
        name = _diffusers_name(module, paths, path)
        down, up = weights["lora_down.weight"], weights["lora_up.weight"]
        scale = float(weights["alpha"]) / len(down) if "alpha" in weights else 1.0
        written[f"{name}.lora_A.weight"] = down
        written[f"{name}.lora_B.weight"] = (up.float() * scale).to(up.dtype)
    return written


def _diffusers_name(module: str, paths: Mapping[str, str], path: Path) -> str:
    if module in paths:
        return f"unet.{paths[module]}"
    if match := TEXT_MODULE.match(module.removeprefix(TEXT_PREFIX)):
        return "text_encoder.text_model.encoder.layers.{}.{}.{}".format(*match.groups())
    raise UserError(f"{path}: {module} is no module of SD 1.x; the file belongs to another family")


@cache
def _paths() -> dict[str, str]:
    """Paths in SD 1.x's U-Net by the layers' names."""
    made = family("sd1")
    unet = made.denoiser.outline(made.configs["unet"])
    return {made.layer_name("unet", path, made.configs): path for path, _ in unet.named_modules()}
