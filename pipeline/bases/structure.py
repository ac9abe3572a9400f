"""What a single file's tensor names and shapes say of its denoiser; no weight is read, no torch loaded.

The signs do not depend on widths, so that a narrow model of a family is known as one of that family.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
UNET_PREFIXES = ("model.diffusion_model.", "model.model.", "net.", "model.", "")
"""Where tools put the denoiser: the first under which one is found."""
SIGNS = (
    "input_blocks.0.0.weight",
    "joint_blocks.0.context_block.attn.qkv.weight",
    "double_blocks.0.img_attn.qkv.weight",
)
"""A tensor that every denoiser of a kind has: a U-Net, SD 3's transformer, Flux's."""
LAYER = re.compile(r"transformer_blocks\.([0-9]{1,3})\.")
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
"""Where averaged weights' names had their dots, as far as signs need it."""


@dataclass(frozen=True)
class Structure:
    """Of a file's denoiser. For a U-Net only: all but the first two."""

    prefix: str
    """Of its tensors' names."""
    kind: str | None
    """`unet`, `mmdit`, `flux`; None where there is none that is known here."""
    in_channels: int = 0
    """Of the first convolution."""
    input_layers: tuple[int, ...] = ()
    """Transformer layers of the input blocks that have any, in order."""
    middle_layers: int = 0
    """Transformer layers in the middle."""
    linear: bool = False
    """Whether the layers round attention are linear, not 1x1 convolutions."""
    adm: int = 0
    """Width of the vector beside the tokens; 0 without one."""
    cross_width: int = 0
    """Width of the tokens."""


def structure(shapes: Shapes) -> Structure:
    """Of the file's denoiser; `kind` is None where it has none that is known here."""
    for prefix in UNET_PREFIXES:
        for sign, kind in zip(SIGNS, ("unet", "mmdit", "flux"), strict=True):
            if prefix + sign in shapes:
                return _unet(shapes, prefix) if kind == "unet" else Structure(prefix, kind)
    return structure(averaged) if (averaged := _averaged(shapes)) else Structure("", None)


def _averaged(shapes: Shapes) -> Shapes:
    """Averaged (EMA) weights by the names that plain ones have; single_file.py tells where they stand."""
    found = {}
    for name, shape in shapes.items():
        if name.startswith(AVERAGED):
            rest = name.removeprefix(AVERAGED)
            for pattern, dotted in DOTS:
                rest = pattern.sub(dotted, rest)
            found[UNET_PREFIXES[0] + rest] = shape
    return found


def _unet(shapes: Shapes, prefix: str) -> Structure:
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    projection = next((shape for name, shape in own.items() if name.endswith(".1.proj_in.weight")), ())
    keys = next((shape for name, shape in own.items() if name.endswith(".attn2.to_k.weight")), ())
    depths = [_layers(own, f"input_blocks.{number}.1.") for number in range(12)]
    return Structure(
        prefix,
        "unet",
        in_channels=_second(own["input_blocks.0.0.weight"]),
        middle_layers=_layers(own, "middle_block.1."),
        linear=len(projection) == 2,
        adm=_second(own.get("label_emb.0.0.weight", ())),
        input_layers=tuple(depth for depth in depths if depth),
        cross_width=_second(keys),
    )


def _second(shape: tuple[int, ...]) -> int:
    """Width of what a matrix or a kernel takes; 0 of what is neither."""
    return shape[1] if len(shape) > 1 else 0


def _layers(shapes: Shapes, place: str) -> int:
    """Transformer layers of a block."""
    numbers = {int(match[1]) for name in shapes if name.startswith(place) and (match := LAYER.search(name))}
    return len(numbers)
