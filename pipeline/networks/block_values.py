"""A number for each of the denoiser's blocks: listed, named, or by a curve."""

from collections.abc import Callable, Mapping, Sequence
from math import cos, pi, sin

from pipeline.errors import UserError

BlockSetting = Sequence[float] | Mapping[str, float] | str | None

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "reverse_linear": lambda t: 1 - t,
    "sine": lambda t: sin(pi / 2 * t),
    "cosine": lambda t: cos(pi / 2 * t),
}
"""From the first block (0) to the last (1); names and curves are from kohya-ss/sd-scripts networks/lora.py
(parse_block_lr_kwargs), which applies them to the 12 blocks of each half.
"""


def by_block(setting: BlockSetting, whole: float, blocks: Sequence[str]) -> dict[str, float]:
    """`setting` as a number for each of `blocks`; `whole` is for blocks without one, and a curve is
    multiplied by it.
    """
    if setting is None:
        return dict.fromkeys(blocks, whole)
    if isinstance(setting, str):
        name, _, base = setting.partition("+")
        steps = [number / (len(blocks) - 1) for number in range(len(blocks))]
        return {
            block: whole * (SHAPES[name](step) + float(base or 0))
            for block, step in zip(blocks, steps, strict=True)
        }
    if isinstance(setting, Mapping):
        if others := sorted(setting.keys() - set(blocks)):
            raise UserError(
                f"network: there is no block {others[0]}; this base has {blocks[0]} to {blocks[-1]}"
            )
        return dict.fromkeys(blocks, whole) | dict(setting)
    if len(setting) != len(blocks):
        raise UserError(
            f"network: {len(setting)} numbers for {len(blocks)} blocks ({blocks[0]} to {blocks[-1]}); give"
            " one for each"
        )
    return dict(zip(blocks, setting, strict=True))
