import numpy as np
from PIL import Image

from pipeline.sampling import layout
from pipeline.sampling.layout import Cell, block, table


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (8, 8), colour)


def test_pictures_of_a_block_stand_in_rows() -> None:
    sheet = np.asarray(block([plain("red"), plain("lime"), plain("blue")], 2))
    assert sheet.shape == (16, 16, 3)
    assert sheet[0, 0].tolist() == [255, 0, 0]
    assert sheet[0, 8].tolist() == [0, 255, 0]
    assert sheet[8, 0].tolist() == [0, 0, 255]
    assert sheet[8, 8].tolist() == [255, 255, 255]


def test_cells_stand_where_their_labels_say() -> None:
    cells = [[Cell([plain("red")])], [Cell([plain("lime")]), Cell([plain("blue")])]]
    sheet = np.asarray(table(["base", "epoch 1"], ["a", "b"], cells, 1)).astype(int)
    red, lime, blue = (
        np.argwhere((sheet == colour).all(axis=2)) for colour in ([255, 0, 0], [0, 255, 0], [0, 0, 255])
    )
    assert len(red) == len(lime) == len(blue) == 64
    assert red[0, 1] == lime[0, 1] < blue[0, 1]
    assert red[0, 0] < lime[0, 0] == blue[0, 0]


def test_a_table_too_large_is_scaled_down(monkeypatch: object) -> None:
    sheet = Image.new("RGB", (400, 100))
    assert layout._within(sheet, 10_000).size == (200, 50)
    assert layout._within(sheet, 40_000) is sheet
