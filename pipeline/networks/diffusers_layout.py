"""LoRA in the layouts of diffusers and PEFT, and in that of sd-scripts.

| layout | the two matrices of a module |
|---|---|
| sd-scripts | `lora_unet_mid_block_..._to_q.lora_down.weight`, `.lora_up.weight`, and `.alpha` |
| diffusers (written) | `unet.mid_block....to_q.lora_A.weight`, `.lora_B.weight` |
| diffusers before PEFT | `unet.mid_block....to_q.lora.down.weight`, `.lora.up.weight` |
| PEFT | `base_model.model.mid_block....to_q.lora_A.weight`, `.lora_B.weight` |

Sources: huggingface/diffusers loaders/lora_base.py and loaders/lora_pipeline.py, huggingface/peft
utils/save_and_load.py. diffusers takes alpha = dim unless the header says otherwise, so alpha / dim is
written into the second matrix.
"""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from pipeline.base.families import sd1_configs
from pipeline.base.ldm_keys import text_encoder_key
from pipeline.errors import UserError
from pipeline.networks.targets import TEXT_PREFIX, UNET_PREFIX, file_name, unet_paths

KEY = re.compile(
    r"^(?P<part>unet\.|text_encoder\.)?(base_model\.model\.)?(?P<module>.+?)"
    r"(\.lora_(?P<new>[AB])(\.default)?|(\.lora|\.lora_linear_layer|_lora)\.(?P<old>down|up))\.weight$"
)
LEAVES = {"A": "lora_down.weight", "B": "lora_up.weight", "down": "lora_down.weight", "up": "lora_up.weight"}
TEXT_MODULE = re.compile(r"^text_model_encoder_layers_(\d+)_(self_attn|mlp)_(\w+)$")
HEADER_KEY = "lora_adapter_metadata"


def is_diffusers(keys: Collection[str]) -> bool:
    """Whether a file is in one of diffusers' or PEFT's layouts."""
    return any(KEY.match(key) for key in keys)


def from_diffusers(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path
) -> dict[str, Tensor]:
    """sd-scripts' keys. alpha is the file's, else the header's, else dim."""
    found = {}
    for key, tensor in tensors.items():
        if not key.endswith(".alpha"):
            match = KEY.match(key)
            if match is None:
                raise UserError(f"{path}: {key} is no LoRA's; in diffusers' layout LoRA alone is read")
            module = _module(match["part"], match["module"])
            found[f"{module}.{LEAVES[match['new'] or match['old']]}"] = tensor
    alphas = _alphas(tensors, metadata)
    dims = {key.partition(".")[0]: len(value) for key, value in found.items() if "lora_down" in key}
    for module, dim in dims.items():
        part = "unet" if module.startswith(UNET_PREFIX) else "text_encoder"
        found[f"{module}.alpha"] = torch.tensor(float(alphas.get(module, alphas.get(part, dim))))
    return found


def _module(part: str | None, module: str) -> str:
    module = re.sub(r"\.to_out$", ".to_out.0", module.replace(".processor.", "."))
    in_text = part == "text_encoder." if part else module.startswith(("text_model.", "encoder.layers."))
    return file_name(TEXT_PREFIX, text_encoder_key(module)) if in_text else file_name(UNET_PREFIX, module)


def _alphas(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, float]:
    """By module, and by part for modules that have none of their own."""
    try:
        header = json.loads(metadata.get(HEADER_KEY, "{}"))
    except json.JSONDecodeError:
        header = {}
    by_part = {part: header.get(f"{part}.lora_alpha") for part in ("unet", "text_encoder")}
    own = {}
    for key, tensor in tensors.items():
        if key.endswith(".alpha"):
            part, _, module = key.removesuffix(".alpha").partition(".")
            own[_module(f"{part}.", module)] = float(tensor)
    return {part: float(alpha) for part, alpha in by_part.items() if alpha} | own


def to_diffusers(modules: Mapping[str, Mapping[str, Tensor]], path: Path) -> dict[str, Tensor]:
    """diffusers' keys for a LoRA of SD 1.x; what is no LoRA, and an unknown module, is a user error."""
    with torch.device("meta"):
        paths = unet_paths(UNet2DConditionModel.from_config(sd1_configs()["unet"]))
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
