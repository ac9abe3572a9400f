"""Random bases of the published ones' true size, made on the card itself: no file is read.

`tiny` ones have the same topology with few channels, for the test on a CPU.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from pipeline.bases.base import Base
from pipeline.bases.outline import outline
from pipeline.bases.registry import family

FAMILIES = {"sd15": "sd1", "sdxl": "sdxl"}
"""Families by the names of bases here."""
SIDES_PX = {"sd15": 512, "sdxl": 1024}
TINY_SIDE_PX = 64
TINY: dict[str, dict[str, dict[str, Any]]] = {
    "sd15": {
        "unet": {
            "block_out_channels": [8, 16, 16, 16], "norm_num_groups": 4, "attention_head_dim": 2,
            "cross_attention_dim": 16,
        },
        "vae": {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4},
        "text_encoder": {
            "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2,
            "projection_dim": 16,
        },
    },
    "sdxl": {
        "unet": {
            "block_out_channels": [8, 16, 16], "norm_num_groups": 4, "attention_head_dim": [1, 2, 2],
            "cross_attention_dim": 32, "transformer_layers_per_block": [1, 1, 2],
            "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 40,
        },
        "vae": {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4},
        "text_encoder": {
            "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3,
            "projection_dim": 16,
        },
        "text_encoder_2": {
            "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3,
            "projection_dim": 16,
        },
    },
}  # fmt: skip


def random_base(name: str, device: torch.device, tiny: bool = False) -> Base:
    """A frozen base in fp32 on the device; the same numbers on every call."""
    made = family(FAMILIES[name])
    configs = deepcopy(dict(made.configs))
    for part, values in (TINY[name] if tiny else {}).items():
        configs[part] |= values
    base = outline(made, {"configs": configs}, "benchmark")
    torch.manual_seed(0)
    for module in base.loaded().values():
        _fill(module.to_empty(device=device))
        module.eval().requires_grad_(False)
    return base


@torch.no_grad()
def _fill(part: nn.Module) -> None:
    """Norms as the identity, biases zero, weights small: the numbers stay finite in 16 bits, too."""
    for name, weight in part.named_parameters():
        if weight.dim() > 1:
            weight.normal_(0, 0.02)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)
    for module in part.modules():
        for name, buffer in module._buffers.items():
            if name == "position_ids" and buffer is not None:
                module._buffers[name] = torch.arange(buffer.shape[-1], device=buffer.device).expand(1, -1)


def side_px(name: str, tiny: bool) -> int:
    return TINY_SIDE_PX if tiny else SIDES_PX[name]
