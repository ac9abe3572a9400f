"""A number for each of the U-Net's 25 blocks: listed, named, or by a shape."""

from collections.abc import Callable, Mapping, Sequence
from math import cos, pi, sin

from pipeline.base.blocks import BLOCKS

BlockSetting = Sequence[float] | Mapping[str, float] | str | None

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "reverse_linear": lambda t: 1 - t,
    "sine": lambda t: sin(pi / 2 * t),
    "cosine": lambda t: cos(pi / 2 * t),
}
"""From the first block (0) to the last (1); names and curves of kohya-ss/sd-scripts networks/lora.py
(parse_block_lr_kwargs), there over the 12 blocks of each half.
"""


def by_block(setting: BlockSetting, whole: float) -> dict[str, float]:
    """`setting` as 25 numbers; `whole` is what blocks without one have, and what a shape multiplies."""
    if setting is None:
        return dict.fromkeys(BLOCKS, whole)
    if isinstance(setting, str):
        name, _, base = setting.partition("+")
        steps = [number / (len(BLOCKS) - 1) for number in range(len(BLOCKS))]
        return {
            block: whole * (SHAPES[name](step) + float(base or 0))
            for block, step in zip(BLOCKS, steps, strict=True)
        }
    if isinstance(setting, Mapping):
        return dict.fromkeys(BLOCKS, whole) | dict(setting)
    return dict(zip(BLOCKS, setting, strict=True))
