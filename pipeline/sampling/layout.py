"""A labelled table of pictures. Pillow only; nothing here samples."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

INK, PAPER, FAINT = (24, 24, 27), (255, 255, 255), (113, 113, 122)
GAP_PX = 12
LABEL_PX = 18
MAX_PIXELS = 100_000_000
"""Larger tables are scaled down."""


@dataclass(frozen=True)
class Cell:
    """The pictures of one place, and a line below them."""

    pictures: Sequence[Image.Image]
    note: str = ""


def block(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """The pictures side by side, `columns` a row, without gaps."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (width * columns, height * rows), PAPER)
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet


def table(
    row_labels: Sequence[str], column_labels: Sequence[str], cells: Sequence[Sequence[Cell]], per_row: int
) -> Image.Image:
    """Rows of cells with labels left and above; a row with fewer cells leaves its right side empty."""
    blocks = [[block(cell.pictures, per_row) for cell in row] for row in cells]
    width, height = blocks[0][0].size
    font = ImageFont.load_default(LABEL_PX)
    left = max(round(font.getlength(label)) for label in row_labels) + 2 * GAP_PX
    line = LABEL_PX + GAP_PX
    sheet = Image.new(
        "RGB",
        (left + len(column_labels) * (width + GAP_PX), line + len(cells) * (height + line + GAP_PX)),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(column_labels):
        draw.text((left + column * (width + GAP_PX) + width / 2, line / 2), label, INK, font, anchor="mm")
    for row, (label, row_blocks) in enumerate(zip(row_labels, blocks, strict=True)):
        top = line + row * (height + line + GAP_PX)
        draw.text((GAP_PX, top + height / 2), label, INK, font, anchor="lm")
        for column, picture in enumerate(row_blocks):
            x = left + column * (width + GAP_PX)
            sheet.paste(picture, (x, top))
            draw.text(
                (x + width / 2, top + height + line / 2), cells[row][column].note, FAINT, font, anchor="mm"
            )
    return _within(sheet, MAX_PIXELS)


def _within(sheet: Image.Image, max_pixels: int) -> Image.Image:
    pixels = sheet.width * sheet.height
    if pixels <= max_pixels:
        return sheet
    scale = (max_pixels / pixels) ** 0.5
    return sheet.resize((int(sheet.width * scale), int(sheet.height * scale)), Image.Resampling.LANCZOS)
