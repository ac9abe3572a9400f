"""A step's weights -> one number for each tensor."""

import re
from collections.abc import Callable, Sequence

from pipeline.config.schemas.recipe import Alpha, Weights
from pipeline.errors import UserError
from pipeline.merging.blocks import TIME, block_of
from pipeline.merging.names import part_of
from pipeline.merging.presets import preset

WeightOf = Callable[[str], float]


def weight_of(setting: Alpha, blocks: tuple[str, ...], key: str) -> WeightOf:
    """Weight by single-file name. `key` names the setting in errors.

    The VAE's is 0 unless `vae` says otherwise, so that A's stays.
    """
    weights = setting if isinstance(setting, Weights) else Weights(blocks=setting)
    listed, base = _listed(weights, blocks, key)
    by_block = dict(zip(blocks, listed, strict=True))
    patterns = [(_pattern(pattern, key), value) for pattern, value in weights.keys.items()]

    def weight(name: str) -> float:
        found = [value for pattern, value in patterns if pattern.search(name)]
        if found:
            return found[-1]
        part = part_of(name)
        if part == "unet":
            at_base = weights.time == "base" and name.startswith(TIME)
            return base if at_base else by_block[block_of(name, blocks)]
        return {"text_encoder": base, "vae": weights.vae}.get(part, 0.0)

    return weight


def _listed(weights: Weights, blocks: tuple[str, ...], key: str) -> tuple[Sequence[float], float]:
    """(a number for each block, the text encoder's)."""
    setting, base = weights.blocks, weights.base_alpha
    if isinstance(setting, str):
        return preset(setting, len(blocks)), base or 0.0
    if isinstance(setting, int | float):
        return [setting] * len(blocks), setting if base is None else base
    if len(setting) == len(blocks) + 1:
        if base is not None:
            raise UserError(
                f"{key} has {len(setting)} numbers, of which the first is base_alpha's: give it once"
            )
        return setting[1:], setting[0]
    if len(setting) != len(blocks):
        raise UserError(
            f"{key} has {len(setting)} numbers; this family has {len(blocks)} blocks ({blocks[0]} ... "
            f"{blocks[-1]}), and one number for the text encoder may stand before theirs"
        )
    return setting, base or 0.0


def _pattern(pattern: str, key: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}.keys: {pattern!r} is no regular expression ({error})") from error
