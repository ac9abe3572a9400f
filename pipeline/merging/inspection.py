"""Norms of a checkpoint, and distances between two, by block: shows where a merge or a training changed
weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.bases.weight_names import part_of
from pipeline.errors import UserError
from pipeline.files.finite import insist_on_finite
from pipeline.merging.agreement import differences
from pipeline.merging.checkpoint import CheckpointFile, open_checkpoint
from pipeline.merging.stream import PIECE_NUMBERS
from pipeline.merging.tree import Leaf
from pipeline.merging.weights import block_of
from pipeline.pictures.colour import INK, WHITE

PART_LABELS = {"text_encoder": "BASE", "vae": "VAE"}
BAR_CHARACTERS = 40
ROW_PX, _LABEL_PX, BAR_PX, FIGURE_PX, MARGIN_PX, _GAP_PX, BAR_HALF_PX = 22, 72, 420, 88, 16, 8, 8
FIGURE_INK, BAR, OTHER_BAR = (95, 95, 105), (37, 99, 235), (148, 163, 184)


@dataclass(frozen=True)
class Amount:
    """One block's number of values, their norm, and, if two checkpoints are compared, the norm of the
    difference.
    """

    numel: int
    norm: float
    distance: float | None

    @property
    def shown(self) -> float:
        """The relative distance, or the root mean square."""
        if self.distance is None:
            return self.norm / sqrt(self.numel)
        return self.distance / self.norm if self.norm else self.distance


def by_block(a: Path, b: Path | None) -> dict[str, Amount]:
    """BASE (the text encoder), the U-Net's blocks in order, VAE. Raises UserError if the architectures
    differ.
    """
    first, second = open_checkpoint(a), open_checkpoint(b) if b else None
    if second and (problems := _incomparable(first, second)):
        raise UserError(*problems)
    for each in (first, second):
        if each:
            insist_on_finite(each.path, each.tensors)
    sums = {label: [0, 0.0, 0.0] for label in ("BASE", *first.blocks, "VAE")}
    for name, stored in first.tensors.items():
        label = _label(name, first.blocks)
        if label is None or not stored.dtype.is_floating_point or name.endswith("position_ids"):
            continue
        for numel, square, distance in _pieces(name, first, second):
            sums[label][0] += numel
            sums[label][1] += square
            sums[label][2] += distance
    return {
        label: Amount(int(numel), square**0.5, distance**0.5 if second else None)
        for label, (numel, square, distance) in sums.items()
        if numel
    }


def _incomparable(a: CheckpointFile, b: CheckpointFile) -> list[str]:
    ours, theirs = (Leaf(str(each.path), each.blocks, each.tensors) for each in (a, b))
    return differences(ours, theirs) or differences(theirs, ours)


def _label(name: str, blocks: tuple[str, ...]) -> str | None:
    part = part_of(name)
    return block_of(name, blocks) if part == "unet" else PART_LABELS.get(part)


def _pieces(name: str, a: CheckpointFile, b: CheckpointFile | None) -> Iterator[tuple[int, float, float]]:
    """(numbers, sum of squares, sum of squared differences) of each piece of a tensor."""
    stored = a.tensors[name]
    other = b.tensors.get(name) if b else None
    for start in range(0, stored.numel, PIECE_NUMBERS):
        stop = min(start + PIECE_NUMBERS, stored.numel)
        ours = stored.read(start, stop).double()
        away = float((ours - other.read(start, stop).double()).square().sum()) if other else 0.0
        yield stop - start, float(ours.square().sum()), away


def title(amounts: Mapping[str, Amount]) -> str:
    """Title of the bars."""
    return "distance |A - B| / |A| by block" if _compared(amounts) else "root mean square by block"


def lines(amounts: Mapping[str, Amount]) -> Iterator[str]:
    """One bar per block, for a terminal."""
    yield title(amounts)
    for label, amount in amounts.items():
        bar = "#" * round(BAR_CHARACTERS * amount.shown / _largest(amounts))
        yield f"{label:<6} {_figure(amount):>9}  {bar}".rstrip()


def picture(amounts: Mapping[str, Amount], names: Sequence[str]) -> Image.Image:
    """The bars as a picture with A's and B's names above; gaps separate text encoder, U-Net and VAE."""
    font = ImageFont.load_default(ROW_PX * 0.6)
    head = [title(amounts), *(f"{letter}: {name}" for letter, name in zip("AB", names, strict=False))]
    gaps = {label for label in amounts if label in ("BASE", "IN00", "VAE")}
    height = ROW_PX * (len(head) + len(amounts) + 1) + _GAP_PX * len(gaps)
    sheet = Image.new("RGB", (_LABEL_PX + BAR_PX + FIGURE_PX, height), WHITE)
    draw = ImageDraw.Draw(sheet)
    middle = ROW_PX
    for number, text in enumerate(head):
        draw.text((MARGIN_PX, middle), text, FIGURE_INK if number else INK, font, anchor="lm")
        middle += ROW_PX
    for label, amount in amounts.items():
        middle += _GAP_PX if label in gaps else 0
        end = _LABEL_PX + round(BAR_PX * amount.shown / _largest(amounts))
        draw.text((_LABEL_PX - 8, middle), label, INK, font, anchor="rm")
        if end > _LABEL_PX:
            color = BAR if label not in PART_LABELS.values() else OTHER_BAR
            draw.rectangle((_LABEL_PX, middle - BAR_HALF_PX, end, middle + BAR_HALF_PX), color)
        draw.text((end + 6, middle), _figure(amount), INK, font, anchor="lm")
        middle += ROW_PX
    return sheet


def _compared(amounts: Mapping[str, Amount]) -> bool:
    return any(amount.distance is not None for amount in amounts.values())


def _largest(amounts: Mapping[str, Amount]) -> float:
    return max((amount.shown for amount in amounts.values()), default=0) or 1


def _figure(amount: Amount) -> str:
    return f"{amount.shown:.6f}" if amount.distance is None else f"{100 * amount.shown:.3g} %"
