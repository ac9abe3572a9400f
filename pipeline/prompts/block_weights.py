"""A network's weight by block, in the notation of LoRA block weight extensions: numbers, or a preset's name.

The text encoder's number (BASE) comes first, then the U-Net's blocks. The short forms omit the blocks without
attention, which a LoRA does not touch; these get 1. Forms, names and the values for 25 blocks are from
hako-mikan/sd-webui-lora-block-weight (scripts/lora_block_weight.py), which has presets for 25 blocks only:
those for 19 blocks weigh the same depths.

| blocks | bases | all | with attention |
|---|---|---|---|
| 25 | Stable Diffusion 1.x, 2.x | 26 numbers | 17 |
| 19 | Stable Diffusion XL | 20 numbers | 12 |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
FORM_OF_COUNT = {len(places): form for form in FORMS for places in (form.places, form.short)}
"""The forms by how many numbers may be given."""


@dataclass(frozen=True)
class BlockWeights:
    """numbers: as given; None of a preset, whose numbers depend on the base's blocks."""

    name: str
    numbers: tuple[float, ...] | None = None

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is weighed."""
        return self.name == "ALL" if self.numbers is None else set(self.numbers) == {1.0}

    def on(self, blocks: Sequence[str]) -> dict[str, float]:
        """Factor of each place of a base with these blocks. Raises UserError for numbers of another base."""
        form = next((form for form in FORMS if form.blocks == tuple(blocks)), None)
        if form is None:
            raise UserError(f"block weights {self.name!r}: there are none for bases of {len(blocks)} blocks")
        if self.numbers is not None and FORM_OF_COUNT[len(self.numbers)] is not form:
            raise UserError(
                f"block weights {self.name!r} has {len(self.numbers)} numbers, for a base of"
                f" {len(FORM_OF_COUNT[len(self.numbers)].blocks)} blocks; this base has {len(blocks)}: give"
                f" {len(form.short)} ({', '.join(form.short)}) or {len(form.places)} numbers"
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
    if len(numbers) not in FORM_OF_COUNT:
        raise UserError(f"{name!r} has {len(numbers)} numbers; block weights need {_counts()}")
    return BlockWeights(name, numbers)


def _counts() -> str:
    return " or ".join(
        f"{len(form.short)} ({', '.join(form.short)}) or {len(form.places)} numbers for a base of"
        f" {len(form.blocks)} blocks"
        for form in FORMS
    )
