"""ss_network_*: the module that trained a network and its arguments, as its own tool writes them.

LoRA and LoCon of sd-scripts are networks.lora, DyLoRA is networks.dylora, all others are LyCORIS's
lycoris.kohya with `algo` (kohya-ss/sd-scripts train_network.py; KohakuBlueleaf/LyCORIS lycoris/kohya.py).
"""

import json
from typing import Any

from pipeline.schemas import AdapterNetworkConfig


def network_header(config: AdapterNetworkConfig) -> dict[str, str]:
    """All values are text, as in every header."""
    module = _module(config)
    algorithm = {"algo": config.name} if module == "lycoris.kohya" else {}
    named = {key: str(value) for key, value in {**algorithm, **_arguments(config)}.items()}
    dropout = {"ss_network_dropout": str(config.dropout)} if config.dropout else {}
    limit = {"ss_scale_weight_norms": str(config.max_norm)} if config.max_norm else {}
    return {
        "ss_network_module": module,
        "ss_network_dim": str(config.dim),
        "ss_network_alpha": str(config.alpha),
        "ss_network_args": json.dumps(named, sort_keys=True, ensure_ascii=False),
        **dropout,
        **limit,
    }


def _module(config: AdapterNetworkConfig) -> str:
    if config.name == "dylora":
        return "networks.dylora"
    plain = config.name == "lora" and not (config.dora or config.rslora)
    return "networks.lora" if plain else "lycoris.kohya"


def _arguments(config: AdapterNetworkConfig) -> dict[str, Any]:
    """Arguments that are not neutral, by the tool's names."""
    conv = config.conv_dim is not None
    named = {
        "conv_dim": config.conv_dim,
        "conv_alpha": (config.conv_alpha or config.alpha) if conv else None,
        "use_tucker": config.tucker or None,
        "dora_wd": config.dora or None,
        "rs_lora": config.rslora or None,
        "rank_dropout": config.rank_dropout or None,
        "module_dropout": config.module_dropout or None,
        "loraplus_lr_ratio": config.lora_plus_ratio if config.lora_plus_ratio != 1 else None,
        "block_dims": config.block_dims,
        "block_alphas": config.block_alphas,
        "include_patterns": config.include or None,
        "exclude_patterns": config.exclude or None,
    }
    if config.name == "lokr":
        named |= {"factor": config.factor, "decompose_both": config.decompose_both or None}
        named |= {"full_matrix": config.full_matrix or None}
    if config.name == "dylora":
        named |= {"unit": config.unit}
    return {key: value for key, value in named.items() if value is not None}
