"""A network's weight by block, in the notation of LoRA block weight extensions: 26 or 17 numbers, or a name.

The text encoder's number (BASE) comes first, then the U-Net's 25 blocks. 17 numbers omit the blocks without
attention, which a LoRA does not touch. Names and values are from hako-mikan/sd-webui-lora-block-weight
(scripts/lora_block_weight.py).
"""

from dataclasses import dataclass

from pipeline.bases.sd1.facts import FACTS
from pipeline.config.ranges import reals
from pipeline.errors import UserError, nearest

PLACES = ("BASE", *FACTS.blocks)
WITHOUT_ATTENTION = ("IN00", "IN03", "IN06", "IN09", "IN10", "IN11", "OUT00", "OUT01", "OUT02")
ATTENTION_PLACES = tuple(place for place in PLACES if place not in WITHOUT_ATTENTION)

PRESETS = {
    "NONE": "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "ALL": "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "INS": "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
}


@dataclass(frozen=True)
class BlockWeights:
    """`factors` in the order of PLACES; each multiplies the network's weight there."""

    name: str
    factors: tuple[float, ...]

    def factor(self, place: str) -> float:
        return self.factors[PLACES.index(place)]


def block_weights(text: str) -> BlockWeights:
    """Reads a preset's name, or 17 or 26 numbers; blocks that 17 numbers omit get 1. Raises UserError."""
    name = text.strip()
    if not any(character.isdecimal() for character in name):
        if name not in PRESETS:
            raise UserError(
                f"{name!r} is not a set of block weights; {nearest(name, PRESETS)}, or 17 or 26 numbers"
            )
        return BlockWeights(name, _factors(PRESETS[name]))
    return BlockWeights(name, _factors(name))


def _factors(text: str) -> tuple[float, ...]:
    numbers = [number for part in text.split(",") for number in reals(part)]
    if len(numbers) == len(PLACES):
        return tuple(numbers)
    if len(numbers) != len(ATTENTION_PLACES):
        raise UserError(
            f"{text!r} has {len(numbers)} numbers; block weights need {len(ATTENTION_PLACES)}"
            f" ({', '.join(ATTENTION_PLACES)}) or {len(PLACES)} (with the blocks without attention)"
        )
    given = dict(zip(ATTENTION_PLACES, numbers, strict=True))
    return tuple(given.get(place, 1.0) for place in PLACES)
