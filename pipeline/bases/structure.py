"""A denoiser's structure, from a single file's tensor names and shapes; no weight is read, no torch loaded.

The signs do not depend on widths, so a narrow model of a family is recognised as one of that family.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

TensorShapes = Mapping[str, tuple[int, ...]]
UNET_PREFIXES = ("model.diffusion_model.", "model.model.", "net.", "model.", "")
"""Prefixes that tools give the denoiser; the first under which one is found counts."""
DENOISER_SIGNS = (
    "input_blocks.0.0.weight",
    "joint_blocks.0.context_block.attn.qkv.weight",
    "double_blocks.0.img_attn.qkv.weight",
)
"""A tensor that every denoiser of a kind has: a U-Net, SD 3's transformer, Flux's."""
UNET_KIND, MMDIT, FLUX = "unet", "mmdit", "flux"
LAYER = re.compile(r"transformer_blocks\.([0-9]{1,3})\.")
BLOCK_NUMBER = re.compile(r"(?:joint|double)_blocks\.([0-9]{1,3})\.")
EMA_PREFIX = "model_ema."
AVERAGED = f"{EMA_PREFIX}diffusion_model"
DOTS = (
    (re.compile(r"^(input_blocks|output_blocks)([0-9]{1,3})([0-9])"), r"\1.\2.\3."),
    (re.compile(r"^(middle_block)([0-9])"), r"\1.\2."),
    (re.compile(r"^(label_emb)([0-9])([0-9])"), r"\1.\2.\3."),
    (re.compile(r"(transformer_blocks)([0-9])"), r".\1.\2."),
    (re.compile(r"(attn[0-9])"), r"\1."),
    (re.compile(r"\.*(weight|bias)$"), r".\1"),
    (re.compile(r"\.{2,}"), "."),
)
"""Restores the dots in averaged weights' names, as far as the signs need them."""


@dataclass(frozen=True)
class DenoiserStructure:
    """A file's denoiser. The fields after `depth` are only for a U-Net."""

    prefix: str
    """Prefix of its tensors' names."""
    kind: str | None
    """`unet`, `mmdit`, `flux`; None if there is no known denoiser."""
    depth: int = 0
    """Number of a transformer's blocks, by the last one's."""
    in_channels: int = 0
    """Input channels of the first convolution."""
    input_layers: tuple[int, ...] = ()
    """Transformer layers of the input blocks that have any, in order."""
    middle_layers: int = 0
    """Transformer layers in the middle."""
    linear: bool = False
    """Whether the layers around attention are linear, not 1x1 convolutions."""
    adm: int = 0
    """Width of the vector in addition to the tokens; 0 without one."""
    cross_width: int = 0
    """Width of the tokens."""


def structure(shapes: TensorShapes) -> DenoiserStructure:
    """The structure of the file's denoiser; `kind` is None if it has no known one."""
    for prefix in UNET_PREFIXES:
        for sign, kind in zip(DENOISER_SIGNS, (UNET_KIND, MMDIT, FLUX), strict=True):
            if prefix + sign in shapes:
                return _unet(shapes, prefix) if kind == UNET_KIND else _transformer(shapes, prefix, kind)
    return structure(averaged) if (averaged := _averaged(shapes)) else DenoiserStructure("", None)


def is_mixed(shapes: TensorShapes) -> bool:
    """Whether the file has denoisers of several kinds under one prefix."""
    return any(sum(prefix + sign in shapes for sign in DENOISER_SIGNS) > 1 for prefix in UNET_PREFIXES)


def _averaged(shapes: TensorShapes) -> TensorShapes:
    """Averaged (EMA) weights by the names of plain ones; single_file.py describes where they are."""
    plain = {}
    for name, shape in shapes.items():
        if name.startswith(AVERAGED):
            rest = name.removeprefix(AVERAGED)
            for pattern, dotted in DOTS:
                rest = pattern.sub(dotted, rest)
            plain[UNET_PREFIXES[0] + rest] = shape
    return plain


def _transformer(shapes: TensorShapes, prefix: str, kind: str) -> DenoiserStructure:
    matches = (BLOCK_NUMBER.match(name.removeprefix(prefix)) for name in shapes)
    last = max((int(match[1]) for match in matches if match), default=-1)
    return DenoiserStructure(prefix, kind, depth=last + 1)


def _unet(shapes: TensorShapes, prefix: str) -> DenoiserStructure:
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    projection = next((shape for name, shape in own.items() if name.endswith(".1.proj_in.weight")), ())
    keys = next((shape for name, shape in own.items() if name.endswith(".attn2.to_k.weight")), ())
    depths = [_layers(own, f"input_blocks.{number}.1.") for number in range(12)]
    return DenoiserStructure(
        prefix,
        UNET_KIND,
        in_channels=_second(own["input_blocks.0.0.weight"]),
        middle_layers=_layers(own, "middle_block.1."),
        linear=len(projection) == 2,
        adm=_second(own.get("label_emb.0.0.weight", ())),
        input_layers=tuple(depth for depth in depths if depth),
        cross_width=_second(keys),
    )


def _second(shape: tuple[int, ...]) -> int:
    """Input width of a matrix or a kernel; 0 for other shapes."""
    return shape[1] if len(shape) > 1 else 0


def _layers(shapes: TensorShapes, place: str) -> int:
    """Number of transformer layers in a block."""
    numbers = {int(match[1]) for name in shapes if name.startswith(place) and (match := LAYER.search(name))}
    return len(numbers)
