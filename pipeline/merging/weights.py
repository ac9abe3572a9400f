"""A step's weights as one number per tensor: by block, 25 on SD 1.x and 2.x, 19 on SDXL, 26 or 40 on SD 3.

IN00-IN11, M00, OUT00-OUT11 (SDXL: to IN08 and OUT08), by single-file names. The rule is from
bbc-mc/sdweb-merge-block-weighted-gui (scripts/mbw/merge_block_weighted.py) and
hako-mikan/sd-webui-supermerger (scripts/mergers/mergers.py, blockfromkey): `time_embed` and SDXL's
`label_emb` belong to IN00, `out` to the last block.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from pydantic import ValidationError

from pipeline.bases import unet_blocks
from pipeline.bases.family import Family
from pipeline.bases.registry import families, family
from pipeline.bases.structure import structure
from pipeline.bases.unet_blocks import block_names
from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.bases.weight_names import part_of
from pipeline.errors import UserError, nearest
from pipeline.merging.presets import preset
from pipeline.schemas.recipe import Alpha, Weights

WeightOf = Callable[[str], float]
LDM_BLOCK = re.compile(rf"{re.escape(LDM_UNET_PREFIX)}(input|output)_blocks\.([0-9]{{1,3}})\.")
TIME = (f"{LDM_UNET_PREFIX}time_embed.", f"{LDM_UNET_PREFIX}label_emb.")
BLOCKS_A_HALF = (12, 9)
"""Blocks of each half: SD 1.x and 2.x, SDXL."""


def blocks_of(names: Iterable[str]) -> tuple[str, ...] | None:
    """The checkpoint's blocks in order; None if it has no known denoiser."""
    known = list(names)
    transformer = structure(dict.fromkeys(known, ()))
    for facts in families().values():
        if facts.blocks_of and facts.owns(transformer):
            return facts.blocks_of(transformer)
    inputs = {int(match[2]) for name in known if (match := LDM_BLOCK.match(name)) and match[1] == "input"}
    half = len(inputs)
    return block_names(half) if half in BLOCKS_A_HALF and inputs == set(range(half)) else None


def block_of(name: str, blocks: tuple[str, ...]) -> str:
    """Block of a denoiser's weight, `model.diffusion_model.`..."""
    if made := _of_transformers(blocks):
        return str(made.block_of(name))
    return unet_blocks.block_of(name.removeprefix(LDM_UNET_PREFIX), blocks)


@cache
def _of_transformers(blocks: tuple[str, ...]) -> Family | None:
    """The family whose members have their own numbers of such blocks, by the second: all call the first
    alike.
    """
    names = (each.name for each in families().values() if each.blocks_of and blocks[1] in each.blocks)
    return next(map(family, names), None)


def weight_of(setting: Alpha, blocks: tuple[str, ...], key: str) -> WeightOf:
    """Weight by single-file name. `key` names the setting in errors.

    The VAE's weight is 0 unless `vae` sets it, so A's VAE stays.
    """
    try:
        weights = setting if isinstance(setting, Weights) else Weights(blocks=setting)
    except ValidationError:
        raise UserError(
            f"{key}: {setting!r} is not a weight; give a finite number, a list of them, or a preset's name"
        ) from None
    listed, base = _listed(weights, blocks, key)
    by_block = dict(zip(blocks, listed, strict=True))
    patterns = [(_pattern(text, key), weights.keys[text]) for text in sorted(weights.keys, key=_rank)]

    def weight(name: str) -> float:
        matches = [value for pattern, value in patterns if pattern.search(name)]
        if matches:
            return matches[-1]
        part = part_of(name)
        if part == "unet":
            at_base = weights.time == "base" and name.startswith(TIME)
            return base if at_base else by_block[block_of(name, blocks)]
        return {"text_encoder": base, "vae": weights.vae}.get(part, 0.0)

    return weight


def _rank(pattern: str) -> tuple[int, str]:
    """If several match, the longest wins. (A mapping's order is lost on the way through DVC and headers.)"""
    return len(pattern), pattern


def _listed(weights: Weights, blocks: tuple[str, ...], key: str) -> tuple[Sequence[float], float]:
    """(a number for each block, the text encoder's)."""
    setting, base = weights.blocks, weights.base_alpha
    if isinstance(setting, Mapping):
        return _named(setting, blocks, key), base or 0.0
    if isinstance(setting, str):
        return preset(setting, len(blocks)), base or 0.0
    if isinstance(setting, int | float):
        return [setting] * len(blocks), setting if base is None else base
    if len(setting) == len(blocks) + 1:
        if base is not None:
            raise UserError(
                f"{key} has {len(setting)} numbers, the first for the text encoder, and base_alpha is set"
                " too: give one of them"
            )
        return setting[1:], setting[0]
    if len(setting) != len(blocks):
        raise UserError(
            f"{key} has {len(setting)} numbers; give one for each of this family's {len(blocks)} blocks"
            f" ({blocks[0]} ... {blocks[-1]}), or one more with the text encoder's first"
        )
    return setting, base or 0.0


def _named(setting: Mapping[str, float], blocks: tuple[str, ...], key: str) -> list[float]:
    """By names of blocks, ranges and halves: the narrower wins; a block without a name gets 0."""
    spans = {name: _span(name, blocks, key) for name in setting}
    listed = [0.0] * len(blocks)
    for name in sorted(setting, key=lambda name: (-len(spans[name]), name)):
        for place in spans[name]:
            listed[place] = setting[name]
    return listed


def _span(name: str, blocks: tuple[str, ...], key: str) -> range:
    """Positions of `M00`, `IN04-IN08`, or a half, `IN` or `OUT`."""
    middle = len(blocks) // 2
    if name in ("IN", "OUT"):  # a transformer has no block in the middle
        second = middle + 1 if "M00" in blocks else middle
        return range(middle) if name == "IN" else range(second, len(blocks))
    ends = [end.strip() for end in name.split("-")]
    if unknown := [end for end in ends if end not in blocks]:
        first, last = (blocks[min(place, len(blocks) - 1)] for place in (4, 7))
        raise UserError(
            f"{key}.blocks: {name!r} is not a block of this family ({blocks[0]} ... {blocks[-1]}, IN, OUT, or"
            f" a range like {first}-{last}); {nearest(unknown[0], blocks)}"
        )
    return range(blocks.index(ends[0]), blocks.index(ends[-1]) + 1)


def _pattern(pattern: str, key: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}.keys: {pattern!r} is not a regular expression ({error})") from error
