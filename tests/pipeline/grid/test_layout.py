import numpy as np
from PIL import Image, ImageFont

from pipeline.grid.layout import Labels, Tile, block, table, wrapped

PLENTY = 1e9


def plain(colour: str, side: int = 8) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def tile(row: int, column: int, *colours: str, sheet: int = 0, side: int = 8, per_row: int = 1) -> Tile:
    pictures = [plain(colour, side) for colour in colours]
    return Tile(sheet, row, column, lambda: pictures, len(pictures), per_row, side, side)


def box_of(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of all pixels of a colour."""
    found = np.argwhere((np.asarray(sheet) == colour).all(axis=2))
    (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0)
    return int(top), int(left), int(bottom - top) + 1, int(right - left) + 1


RED, LIME, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_pictures_of_a_block_stand_in_rows() -> None:
    sheet = np.asarray(block([plain("red"), plain("lime"), plain("blue")], 2))
    assert sheet.shape == (16, 16, 3)
    assert sheet[0, 0].tolist() == [255, 0, 0]
    assert sheet[0, 8].tolist() == [0, 255, 0]
    assert sheet[8, 0].tolist() == [0, 0, 255]
    assert sheet[8, 8].tolist() == [255, 255, 255]


def test_cells_stand_where_their_labels_say() -> None:
    tiles = [tile(0, 0, "red"), tile(1, 0, "lime"), tile(1, 1, "blue")]
    sheet = table(Labels("", [""], ["base", "epoch 1"], ["a", "b"]), tiles, PLENTY)
    red, lime, blue = (box_of(sheet, colour) for colour in (RED, LIME, BLUE))
    assert [box[2:] for box in (red, lime, blue)] == [(8, 8)] * 3
    assert red[1] == lime[1] < blue[1]
    assert red[0] < lime[0] == blue[0]


def test_sheets_stand_below_each_other_under_the_title() -> None:
    tiles = [tile(0, 0, "red"), tile(0, 0, "lime", sheet=1)]
    untitled = table(Labels("", ["DDIM", "Euler"], [""], [""]), tiles, PLENTY)
    titled = table(Labels("A grid", ["DDIM", "Euler"], [""], [""]), tiles, PLENTY)
    assert box_of(untitled, RED)[0] < box_of(untitled, LIME)[0]
    assert box_of(untitled, RED)[1] == box_of(untitled, LIME)[1]
    assert box_of(titled, RED)[0] > box_of(untitled, RED)[0]


def test_a_table_too_large_has_smaller_pictures_and_the_same_labels() -> None:
    tiles = [tile(row, column, "red", side=400) for row in range(3) for column in range(3)]
    labels = Labels("", [""], ["one", "two", "three"], ["a", "b", "c"])
    whole, small = table(labels, tiles, PLENTY), table(labels, tiles, 300_000)
    assert whole.width * whole.height > 1_400_000
    assert 250_000 < small.width * small.height <= 300_000
    left = box_of(whole, RED)[1]
    assert box_of(small, RED)[1] == left
    assert np.array_equal(np.asarray(whole)[:20, :left], np.asarray(small)[:20, :left])


def test_nothing_is_too_large_to_be_drawn() -> None:
    tiles = [tile(row, 0, "red", side=64) for row in range(200)]
    sheet = table(Labels("", [""], [f"row {row}" for row in range(200)], ["a"]), tiles, 1000)
    assert sheet.height < 65_000


def test_labels_are_wrapped_to_four_lines_and_cut() -> None:
    font = ImageFont.load_default(18)
    assert isinstance(font, ImageFont.FreeTypeFont)
    width = font.getlength("zibbo, meadow,") + 1
    assert wrapped("zibbo, meadow, full body", font, width) == ["zibbo, meadow,", "full body"]
    many = wrapped(" ".join(["zibbo, meadow,"] * 9), font, width)
    assert len(many) == 4
    assert many[-1].endswith("...")
    assert all(font.getlength(line) <= width for line in [*many, *wrapped("x" * 400, font, width)])
    assert wrapped("", font, width) == [""]
