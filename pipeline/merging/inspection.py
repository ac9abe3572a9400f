"""Norms of a checkpoint, and distances between two, by block: where a merge or a training changed what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import UserError
from pipeline.merging.agreement import differences
from pipeline.merging.blocks import block_of
from pipeline.merging.checkpoint import Checkpoint, open_checkpoint
from pipeline.merging.names import part_of
from pipeline.merging.stream import PIECE
from pipeline.merging.tree import Leaf

PARTS = {"text_encoder": "BASE", "vae": "VAE"}
BAR_CHARACTERS = 40
ROW_PX, LABEL_PX, BAR_PX = 22, 70, 420
INK, PAPER, BAR = (24, 24, 27), (255, 255, 255), (37, 99, 235)


@dataclass(frozen=True)
class Amount:
    """Of one block: numbers, their norm, and, where two were compared, the norm of the difference."""

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
    """BASE (the text encoder), the U-Net's blocks in order, VAE. Other architectures are a user error."""
    first, second = open_checkpoint(a), open_checkpoint(b) if b else None
    if second and (problems := _incomparable(first, second)):
        raise UserError(*problems)
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


def _incomparable(a: Checkpoint, b: Checkpoint) -> list[str]:
    ours, theirs = (Leaf(str(each.path), each.blocks, each.tensors) for each in (a, b))
    return differences(ours, theirs) or differences(theirs, ours)


def _label(name: str, blocks: tuple[str, ...]) -> str | None:
    part = part_of(name)
    return block_of(name, blocks) if part == "unet" else PARTS.get(part)


def _pieces(name: str, a: Checkpoint, b: Checkpoint | None) -> Iterator[tuple[int, float, float]]:
    """(numbers, sum of squares, sum of squared differences) of each piece of a tensor."""
    stored = a.tensors[name]
    other = b.tensors.get(name) if b else None
    for start in range(0, stored.numel, PIECE):
        stop = min(start + PIECE, stored.numel)
        ours = stored.read(start, stop).double()
        away = float((ours - other.read(start, stop).double()).square().sum()) if other else 0.0
        yield stop - start, float(ours.square().sum()), away


def lines(found: Mapping[str, Amount]) -> Iterator[str]:
    """A bar a block, for a terminal."""
    compared = any(amount.distance is not None for amount in found.values())
    largest = max((amount.shown for amount in found.values()), default=0) or 1
    yield "block  " + ("|A - B| / |A|" if compared else "root mean square")
    for label, amount in found.items():
        bar = "#" * round(BAR_CHARACTERS * amount.shown / largest)
        yield f"{label:<6} {amount.shown:10.6f}  {bar}".rstrip()


def picture(found: Mapping[str, Amount]) -> Image.Image:
    """The same bars as a picture."""
    font = ImageFont.load_default(ROW_PX * 0.6)
    sheet = Image.new("RGB", (2 * LABEL_PX + BAR_PX, ROW_PX * (len(found) + 1)), PAPER)
    draw = ImageDraw.Draw(sheet)
    largest = max((amount.shown for amount in found.values()), default=0) or 1
    for row, (label, amount) in enumerate(found.items()):
        top = ROW_PX * row + ROW_PX // 2
        width = round(BAR_PX * amount.shown / largest)
        draw.text((LABEL_PX - 8, top + ROW_PX / 2), label, INK, font, anchor="rm")
        draw.rectangle((LABEL_PX, top + 3, LABEL_PX + width, top + ROW_PX - 3), BAR)
        draw.text((LABEL_PX + width + 6, top + ROW_PX / 2), f"{amount.shown:.4g}", INK, font, anchor="lm")
    return sheet
