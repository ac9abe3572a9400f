"""Thumbnails of all pictures on a page, each with its crop drawn in. Pillow only."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from pipeline.pictures.colour import FAINT, INK, WHITE
from pipeline.pictures.faces import Box

_COLUMNS = 10
PER_PAGE = 200
SHEET_THUMBNAIL_PX, _LINE_PX, _GAP_PX = 144, 16, 8
CROP_COLOUR, FACE_COLOUR, SHADE = (255, 214, 10), (64, 200, 255), 90


@dataclass(frozen=True)
class SheetPicture:
    """A picture's thumbnail, its full width in pixels, the crops' boxes, the faces, and two lines of text."""

    thumbnail: Image.Image
    width_px: int
    boxes: Sequence[Box]
    faces: Sequence[Box]
    title: str
    note: str


def page(shown: Sequence[SheetPicture]) -> Image.Image:
    """At most PER_PAGE pictures."""
    columns, rows = min(_COLUMNS, len(shown)), -(-len(shown) // _COLUMNS)
    step_x, step_y = SHEET_THUMBNAIL_PX + _GAP_PX, SHEET_THUMBNAIL_PX + 2 * _LINE_PX + _GAP_PX
    sheet = Image.new("RGB", (columns * step_x + _GAP_PX, rows * step_y + _GAP_PX), WHITE)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_LINE_PX - 5)
    for index, item in enumerate(shown):
        x, y = _GAP_PX + index % _COLUMNS * step_x, _GAP_PX + index // _COLUMNS * step_y
        small = marked(item)
        left, top = x + (SHEET_THUMBNAIL_PX - small.width) // 2, y + (SHEET_THUMBNAIL_PX - small.height) // 2
        sheet.paste(small, (left, top))
        for line, (text, colour) in enumerate(((item.title, INK), (item.note, FAINT))):
            draw.text((x, y + SHEET_THUMBNAIL_PX + line * _LINE_PX), _fitting(text, font), colour, font)
    return sheet


def marked(item: SheetPicture) -> Image.Image:
    """The thumbnail, darker outside of the crops."""
    scale = item.thumbnail.width / item.width_px
    kept = Image.new("L", item.thumbnail.size, SHADE)
    for box in item.boxes:
        kept.paste(255, _corners(box, scale))
    picture = Image.composite(item.thumbnail, Image.new("RGB", item.thumbnail.size), kept)
    draw = ImageDraw.Draw(picture)
    for box in item.boxes:
        draw.rectangle(_corners(box, scale), outline=CROP_COLOUR, width=2)
    for box in item.faces:
        draw.rectangle(_corners(box, scale), outline=FACE_COLOUR, width=2)
    return picture


def _corners(box: Box, scale: float) -> tuple[int, int, int, int]:
    left, top, width, height = (length * scale for length in box)
    return round(left), round(top), round(left + width) - 1, round(top + height) - 1


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The end of `text` that fits under a thumbnail: files of one folder differ there."""
    if font.getlength(text) <= SHEET_THUMBNAIL_PX:
        return text
    while text and font.getlength(f"...{text}") > SHEET_THUMBNAIL_PX:
        text = text[1:]
    return f"...{text}"
