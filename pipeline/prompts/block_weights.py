"""A network's strength by block, as LoRA block weight extensions write it: 26 numbers, 17 of them, or a name.

The text encoder's (BASE) comes first, then the U-Net's 25 blocks. 17 numbers leave out the blocks without
attention, which a LoRA does not touch. Names and values of hako-mikan/sd-webui-lora-block-weight
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
    """A preset's name, 17 or 26 numbers; blocks that 17 leave out get 1. Raises UserError."""
    name = text.strip()
    if not any(character.isdecimal() for character in name):
        if name not in PRESETS:
            raise UserError(
                f"{name!r} is no set of block weights; {nearest(name, PRESETS)}, or 17 or 26 numbers"
            )
        return BlockWeights(name, _factors(PRESETS[name]))
    return BlockWeights(name, _factors(name))


def _factors(text: str) -> tuple[float, ...]:
    numbers = [number for part in text.split(",") for number in reals(part)]
    if len(numbers) == len(PLACES):
        return tuple(numbers)
    if len(numbers) != len(ATTENTION_PLACES):
        raise UserError(
            f"{text!r} holds {len(numbers)} numbers; block weights are {len(ATTENTION_PLACES)}"
            f" ({', '.join(ATTENTION_PLACES)}) or {len(PLACES)} (with the blocks without attention)"
        )
    given = dict(zip(ATTENTION_PLACES, numbers, strict=True))
    return tuple(given.get(place, 1.0) for place in PLACES)
