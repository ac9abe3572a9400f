"""The WD14 contract, held against a reference that is made here from the written contract alone.

NHWC float32 [N, side, side, 3], BGR, 0..255; the picture in the middle of a white square, PIL's bicubic;
probabilities, one a row of selected_tags.csv; categories by number.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data as photographs

from pipeline.captions.labels import named_scores
from pipeline.captions.onnx_tagger import OnnxTagger
from tests.pipeline.captions.onnx_models import write_csv, write_linear, write_tagger

SIDE = 16
ROWS = (
    "11,hatsune_miku,4,3", "12,1girl,0,9", "13,explicit,9,1", "14,vocaloid,3,5", "15,someone_(artist),1,4",
    "16,highres,5,8", "17,general,9,7", "18,^_^,0,2",
)  # fmt: skip
BY_CONTRACT = [
    ("character", "hatsune_miku"), ("general", "1girl"), ("rating", "explicit"), ("copyright", "vocaloid"),
    ("artist", "someone_(artist)"), ("meta", "highres"), ("rating", "general"), ("general", "^_^"),
]  # fmt: skip
SIZES = [(300, 200), (200, 300), (448, 448), (10, 7), (1, 16), (640, 15)]


def photograph(width: int, height: int) -> Image.Image:
    return Image.fromarray(photographs.astronaut()).resize((width, height))


def reference_input(picture: Image.Image, side: int) -> NDArray[np.float32]:
    """[side, side, 3], by the contract: pixels set one by one into white, then resized, then turned round."""
    pixels = np.asarray(picture)
    height, width, _ = pixels.shape
    longest = max(width, height)
    square = np.full((longest, longest, 3), 255, np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = pixels
    resized = np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC), np.float32)
    return np.stack([resized[..., 2], resized[..., 1], resized[..., 0]], axis=-1)


def network_weights() -> NDArray[np.float32]:
    """[16 * 16 * 3, 8], so small that the sigmoid is never saturated."""
    rng = np.random.default_rng(3)
    return (rng.standard_normal((SIDE * SIDE * 3, len(ROWS))) * 2e-4).astype(np.float32)


def reference_scores(x: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-(x.reshape(-1).astype(np.float64) @ weights.astype(np.float64))))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", [1, 4, "N"])
def test_every_score_stands_under_its_name_and_category(
    tmp_path: Path, size: tuple[int, int], batch: int | str
) -> None:
    folder = write_linear(tmp_path, [batch, SIDE, SIDE, 3], network_weights(), sigmoid=True)
    write_csv(folder, ROWS)
    tagger = OnnxTagger(folder, batch=2)
    assert tagger.about.layout == "wd14"
    picture = photograph(*size)
    expected = reference_scores(reference_input(picture, SIDE), network_weights())
    named = named_scores(tagger.about.labels, tagger.answers(tagger.prepare(picture)[None])[0], 0.0)
    flat = {(category, name): score for category, tags in named.items() for name, score in tags.items()}
    # Three decimals are kept, so half a thousandth, and float32 sums of 768 products are good to about 1e-6.
    assert flat == pytest.approx(dict(zip(BY_CONTRACT, expected.tolist(), strict=True)), abs=5.1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_the_networks_input_is_the_contracts_to_the_bit(tmp_path: Path, size: tuple[int, int]) -> None:
    tagger = OnnxTagger(write_tagger(tmp_path / "tagger", "N"), batch=1)
    picture = photograph(*size)
    x = tagger.prepare(picture)
    assert x.dtype == np.float32
    assert (x == reference_input(picture, 8)).all()


@pytest.mark.parametrize("batch", [1, "N"])
def test_channels_are_bgr_and_values_run_to_255(tmp_path: Path, batch: int | str) -> None:
    tagger = OnnxTagger(write_tagger(tmp_path / "tagger", batch), batch=2)
    pictures = [Image.new("RGB", (8, 8), (255, 51, 0)), Image.new("RGB", (8, 8), (0, 0, 255))]
    scores = np.concatenate([tagger.answers(tagger.prepare(picture)[None]) for picture in pictures])
    assert scores == pytest.approx(np.array([[0.0, 0.2, 1.0], [1.0, 0.0, 0.0]]))


def test_a_long_picture_stands_in_the_middle_of_a_white_square(tmp_path: Path) -> None:
    folder = write_linear(tmp_path, [1, 40, 40, 3], np.zeros((40 * 40 * 3, 1), np.float32), sigmoid=True)
    write_csv(folder, ["1,anything,0,1"])
    x = OnnxTagger(folder, batch=1).prepare(Image.new("RGB", (40, 20), (0, 0, 0)))
    assert (x[:8] == 255).all()
    assert (x[12:28] == 0).all()
    assert (x[32:] == 255).all()


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    folder = write_linear(tmp_path, [1, 40, 40, 3], np.zeros((40 * 40 * 3, 1), np.float32), sigmoid=True)
    write_csv(folder, ["1,anything,0,1"])
    assert (OnnxTagger(folder, batch=1).prepare(Image.new("RGB", (4, 4), (7, 8, 9))) == [9, 8, 7]).all()
