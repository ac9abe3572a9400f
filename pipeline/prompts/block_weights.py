"""A network's weight by block, in the notation of LoRA block weight extensions: numbers, or a preset's name.

The text encoder's number (BASE) comes first, then the U-Net's blocks. The short forms omit the blocks without
attention, which a LoRA does not touch; these get 1. Forms, names and the values for 25 blocks are from
hako-mikan/sd-webui-lora-block-weight (scripts/lora_block_weight.py), which has presets for 25 blocks only:
those for 19 blocks weigh the same depths.

| blocks | bases | all | with attention |
|---|---|---|---|
| 25 | Stable Diffusion 1.x, 2.x | 26 numbers | 17 |
| 19 | Stable Diffusion XL | 20 numbers | 12 |
| 26 or 40 | Stable Diffusion 3 and 3.5 | 27 or 41 | - |

A transformer's presets weigh the same depths: its blocks lie evenly over those of SD 1.x.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pipeline.bases.registry import families
from pipeline.bases.unet_blocks import block_names
from pipeline.config.ranges import reals
from pipeline.errors import UserError, nearest

BASE = "BASE"


@dataclass(frozen=True)
class BlockForm:
    """The places of a short form, and the presets by name, a digit per place."""

    blocks: tuple[str, ...]
    short: tuple[str, ...]
    presets: Mapping[str, str]

    @property
    def counts(self) -> str:
        """How many numbers it takes."""
        if self.short == self.places:
            return str(len(self.places))
        return f"{len(self.short)} ({', '.join(self.short)}) or {len(self.places)}"

    @property
    def places(self) -> tuple[str, ...]:
        return BASE, *self.blocks

    def factors(self, numbers: Sequence[float]) -> tuple[float, ...]:
        """A factor for each place; those that the short form omits get 1."""
        if len(numbers) == len(self.places):
            return tuple(numbers)
        given = dict(zip(self.short, numbers, strict=True))
        return tuple(given.get(place, 1.0) for place in self.places)


def _form(half: int, without: Sequence[str], presets: str) -> BlockForm:
    blocks = block_names(half)
    names = ("NONE", "ALL", "INS", "IND", "INALL", "MIDD", "OUTD", "OUTS", "OUTALL")
    short = (BASE, *(block for block in blocks if block not in without))
    return BlockForm(blocks, short, dict(zip(names, presets.split(), strict=True)))


FORMS = (
    _form(
        12, ("IN00", "IN03", "IN06", "IN09", "IN10", "IN11", "OUT00", "OUT01", "OUT02"),
        "00000000000000000 11111111111111111 11110000000000000 10001110000000000 11111110000000000"
        " 10001111111100000 10000000111100000 10000000000011111 10000000111111111",
    ),
    _form(
        9, ("IN00", "IN01", "IN02", "IN03", "IN06", "OUT06", "OUT07", "OUT08"),
        "000000000000 111111111111 111000000000 100110000000 111110000000"
        " 100111111000 100000111000 100000000111 100000111111",
    ),
)  # fmt: skip
SPANS = {
    "INS": (0, 4), "IND": (5, 11), "INALL": (0, 11), "MIDD": (5, 19), "OUTD": (13, 19), "OUTS": (20, 24),
    "OUTALL": (13, 24),
}  # fmt: skip
"""First and last block of SD 1.x, counted from 0, that a preset weighs."""
DEEPEST = 24


def transformer_form(blocks: Sequence[str]) -> BlockForm:
    """All blocks of a transformer, which has a LoRA in each."""
    depths = [DEEPEST * number / (len(blocks) - 1) for number in range(len(blocks))]
    presets = {
        name: "1" + "".join(str(int(first - 0.5 < depth < last + 0.5)) for depth in depths)
        for name, (first, last) in SPANS.items()
    }
    places = (BASE, *blocks)
    return BlockForm(tuple(blocks), places, {"NONE": "0" * len(places), "ALL": "1" * len(places), **presets})


def forms() -> tuple[BlockForm, ...]:
    """Of the published bases."""
    members = (blocks for facts in families().values() for blocks in facts.members_blocks)
    return (*FORMS, *map(transformer_form, members))


@cache
def form_of_count() -> Mapping[int, BlockForm]:
    """The forms by how many numbers may be given."""
    return {len(places): form for form in forms() for places in (form.places, form.short)}


@dataclass(frozen=True)
class BlockWeights:
    """numbers: as given; None of a preset, whose numbers depend on the base's blocks."""

    name: str
    numbers: tuple[float, ...] | None = None

    @property
    def count(self) -> int | None:
        """Number of blocks that the numbers are for; None of a preset."""
        return len(form_of_count()[len(self.numbers)].blocks) if self.numbers else None

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is weighed."""
        return self.name == "ALL" if self.numbers is None else set(self.numbers) == {1.0}

    def on(self, blocks: Sequence[str]) -> dict[str, float]:
        """Factor of each place of a base with these blocks. Raises UserError for numbers of another base."""
        form = next((form for form in FORMS if form.blocks == tuple(blocks)), None)
        form = form or transformer_form(blocks)
        if self.numbers is not None and form_of_count()[len(self.numbers)].blocks != form.blocks:
            raise UserError(
                f"block weights {self.name!r} has {len(self.numbers)} numbers, for a base of"
                f" {len(form_of_count()[len(self.numbers)].blocks)} blocks; this base has {len(blocks)}: give"
                f" {form.counts} numbers"
            )
        numbers = self.numbers or [float(digit) for digit in form.presets[self.name]]
        return dict(zip(form.places, form.factors(numbers), strict=True))


def block_weights(text: str) -> BlockWeights:
    """Reads a preset's name, or numbers. Raises UserError for another name or number of numbers."""
    name = text.strip()
    if not any(character.isdecimal() for character in name):
        if name not in FORMS[0].presets:
            raise UserError(
                f"{name!r} is not a set of block weights; {nearest(name, FORMS[0].presets)}, or {_counts()}"
            )
        return BlockWeights(name)
    numbers = tuple(number for part in name.split(",") for number in reals(part))
    if len(numbers) not in form_of_count():
        raise UserError(f"{name!r} has {len(numbers)} numbers; block weights need {_counts()}")
    return BlockWeights(name, numbers)


def _counts() -> str:
    return " or ".join(f"{form.counts} numbers for a base of {len(form.blocks)} blocks" for form in forms())
