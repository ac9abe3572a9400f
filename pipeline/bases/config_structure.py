"""A denoiser's structure from its configuration in a diffusers folder, as structure.py finds it in
tensors.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.bases.structure import MMDIT, DenoiserStructure

MMDIT_CLASS = "SD3Transformer2DModel"


def configured(unet: Mapping[str, Any]) -> DenoiserStructure:
    """The configuration is a stranger's: odd entries count as none."""
    if unet.get("_class_name") == MMDIT_CLASS:
        return DenoiserStructure("", MMDIT, depth=_whole(unet.get("num_layers")))
    levels, kinds = _levels(unet), _words(unet.get("down_block_types"))
    attentive = [level for kind, level in zip(kinds, levels, strict=False) if "CrossAttn" in kind]
    has_middle = unet.get("mid_block_type") in (None, "UNetMidBlock2DCrossAttn")
    added = unet.get("addition_embed_type") or unet.get("class_embed_type")
    return DenoiserStructure(
        "",
        "unet",
        in_channels=_whole(unet.get("in_channels", 4)),
        input_layers=tuple(depth for level in attentive for depth in level),
        middle_layers=levels[-1][-1] if levels and levels[-1] and has_middle else 0,
        linear=bool(unet.get("use_linear_projection")),
        adm=_whole(unet.get("projection_class_embeddings_input_dim")) if added else 0,
        cross_width=_whole(unet.get("cross_attention_dim")),
    )


def _levels(unet: Mapping[str, Any]) -> list[list[int]]:
    """Transformer layers of each attention, by level on the way down."""
    count = len(_words(unet.get("down_block_types")))
    given, blocks = unet.get("transformer_layers_per_block", 1), _whole(unet.get("layers_per_block", 2))
    by_level = given if isinstance(given, list) else [given] * count
    return [
        [_whole(each) for each in level] if isinstance(level, list) else [_whole(level)] * blocks
        for level in by_level
    ]


def _words(value: object) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 16 else 0
