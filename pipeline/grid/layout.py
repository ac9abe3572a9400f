"""Lays out the grid as one picture: a labelled table of pictures per sheet, stacked. Pillow only; nothing
here samples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from pipeline.pictures.colour import FAINT, INK, WHITE

_GAP_PX = 12
_LABEL_PX = 18
_LINE_PX = _LABEL_PX + 6
MAX_LINES = 4
LEFT_PX = 320
"""Maximum width of the row labels."""
MAX_SIDE_PX = 65_000
"""Few programs open longer sides."""
ELLIPSIS = "..."


@dataclass(frozen=True)
class Tile:
    """One slot of a sheet: a function that gets its pictures, their number, pictures per row, their size, and
    a line of text below them.
    """

    sheet: int
    row: int
    column: int
    pictures: Callable[[], Sequence[Image.Image]]
    number: int
    per_row: int
    width_px: int
    height_px: int
    note: str = ""


@dataclass(frozen=True)
class Labels:
    """Texts of the axes; empty ones take no space."""

    title: str
    sheets: Sequence[str]
    rows: Sequence[str]
    columns: Sequence[str]


def block(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """The pictures in rows of `columns`, without gaps."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (width * columns, height * rows), WHITE)
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet


def wrapped(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> list[str]:
    """Lines no wider than `width_px`; longer words, and text that the last line cannot hold, are cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(_cut(word, font, width_px))
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], _cut(f"{lines[MAX_LINES - 1]} {ELLIPSIS}", font, width_px)]
    return lines or [""]


def _cut(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + ELLIPSIS) > width_px:
        text = text[:-1]
    return text + ELLIPSIS


@dataclass(frozen=True)
class SheetSizes:
    """Sizes in px: a block, the labels, one sheet, the whole."""

    scale: float
    block: tuple[int, int]
    left: int
    top: int
    width: int
    sheet_height: int
    height: int


def table(labels: Labels, tiles: Sequence[Tile], max_pixels: float) -> Image.Image:
    """If the grid would exceed `max_pixels`, the pictures are scaled down; the labels are not."""
    font = ImageFont.load_default(_LABEL_PX)
    assert isinstance(font, ImageFont.FreeTypeFont)
    sizes = _sizes(labels, tiles, max_pixels, font)
    whole = Image.new("RGB", (sizes.width, sizes.height), WHITE)
    draw = ImageDraw.Draw(whole)

    def write(lines: Sequence[str], x: float, y: float, anchor: str, ink: tuple[int, int, int] = INK) -> None:
        """Writes lines centred on the height `y`."""
        for number, line in enumerate(lines):
            draw.text((x, y + (number - (len(lines) - 1) / 2) * _LINE_PX), line, ink, font, anchor=anchor)

    width, height = sizes.block
    if labels.title:
        write([_cut(labels.title, font, sizes.width - 2 * _GAP_PX)], _GAP_PX, _GAP_PX + _LINE_PX / 2, "lm")
    for sheet, sheet_label in enumerate(labels.sheets):
        top = _title_height(labels) + sheet * sizes.sheet_height
        if sheet_label:
            write([_cut(sheet_label, font, sizes.width - 2 * _GAP_PX)], _GAP_PX, top + _LINE_PX / 2, "lm")
        first = top + sizes.top
        for column, text in enumerate(labels.columns):
            lines = wrapped(text, font, width)
            write(lines, _x(sizes, column) + width / 2, first - _GAP_PX - len(lines) * _LINE_PX / 2, "mm")
        for row, text in enumerate(labels.rows):
            write(wrapped(text, font, LEFT_PX), _GAP_PX, first + row * _pitch(sizes) + height / 2, "lm")
    for tile in tiles:
        x = _x(sizes, tile.column)
        y = _title_height(labels) + tile.sheet * sizes.sheet_height + sizes.top + tile.row * _pitch(sizes)
        whole.paste(_scaled(block(tile.pictures(), tile.per_row), sizes.scale), (x, y))
        if tile.note:
            write([_cut(tile.note, font, width)], x + width / 2, y + height + _LINE_PX / 2, "mm", FAINT)
    return whole


def _sizes(
    labels: Labels, tiles: Sequence[Tile], max_pixels: float, font: ImageFont.FreeTypeFont
) -> SheetSizes:
    full = (
        max(tile.width_px * tile.per_row for tile in tiles),
        max(tile.height_px * -(-tile.number // tile.per_row) for tile in tiles),
    )
    scale = 1.0
    while True:
        sizes = _at_scale(labels, full, scale, font)
        if max(sizes.width, sizes.height) <= MAX_SIDE_PX and sizes.width * sizes.height <= max_pixels:
            return sizes
        if min(sizes.block) <= 1:
            return sizes
        scale *= 0.95


def _at_scale(
    labels: Labels, full: tuple[int, int], scale: float, font: ImageFont.FreeTypeFont
) -> SheetSizes:
    width, height = (max(1, int(side * scale)) for side in full)
    left = max(round(max(map(font.getlength, wrapped(text, font, LEFT_PX)))) for text in labels.rows)
    lines = max(len(wrapped(text, font, width)) if text else 0 for text in labels.columns)
    top = _GAP_PX + lines * _LINE_PX + (_GAP_PX + _LINE_PX if any(labels.sheets) else 0)
    left += 2 * _GAP_PX
    sheet_height = top + len(labels.rows) * (height + _LINE_PX + _GAP_PX)
    total = _title_height(labels) + len(labels.sheets) * sheet_height
    whole_width = left + len(labels.columns) * (width + _GAP_PX)
    return SheetSizes(scale, (width, height), left, top, whole_width, sheet_height, total)


def _x(sizes: SheetSizes, column: int) -> int:
    return sizes.left + column * (sizes.block[0] + _GAP_PX)


def _pitch(sizes: SheetSizes) -> int:
    """Distance between the tops of two rows."""
    return sizes.block[1] + _LINE_PX + _GAP_PX


def _title_height(labels: Labels) -> int:
    return _GAP_PX + _LINE_PX if labels.title else 0


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale == 1:
        return picture
    size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
