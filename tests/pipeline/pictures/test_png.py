import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from pipeline.pictures.png import png_bytes

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=50)


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


def test_pixels_come_back_and_nothing_else() -> None:
    astronaut = data.astronaut()
    picture = opened(png_bytes(Image.fromarray(astronaut)))
    assert np.array_equal(np.asarray(picture), astronaut)
    assert picture.info == {}


@given(TEXT, TEXT)
def test_texts_come_back_in_any_script(one: str, two: str) -> None:
    picture = opened(png_bytes(Image.new("RGB", (2, 2)), {"parameters": one, "recipe": two}))
    assert picture.info == {"parameters": one, "recipe": two}


def test_latin_text_is_written_as_other_tools_write_it() -> None:
    black = Image.new("RGB", (2, 2))
    assert b"tEXtparameters\0caf\xe9" in png_bytes(black, {"parameters": "café"})
    assert b"iTXtparameters\0\0\0\0\0" + "猫".encode() in png_bytes(black, {"parameters": "猫"})
