"""BLIP, on a tiny random model that transformers saved."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs
from transformers import BlipForConditionalGeneration

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.schemas import TagConfig
from pipeline.vision.blip import Blip
from tests.pipeline.vision.tiny_blip import WORDS, write_blip

pytestmark = pytest.mark.usefixtures("root")
PICTURES = [Image.fromarray(photographs.astronaut()), Image.fromarray(photographs.chelsea())]
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blip(tmp_path_factory.mktemp("blip") / "tiny")


def settings(**changes: Any) -> TagConfig:
    return check(compose(Params({}, {f"tag.{name}": value for name, value in changes.items()}))).tag


def sentences(blip: Blip) -> list[str]:
    return blip.answers(np.stack([blip.prepare(picture) for picture in PICTURES]))


def test_pictures_are_squashed_by_bicubic_to_the_models_size_and_normalised(folder: Path) -> None:
    x = Blip(folder, settings()).prepare(PICTURES[1])
    squashed = np.asarray(PICTURES[1].resize((40, 40), Image.Resampling.BICUBIC), np.float64)
    expected = ((squashed / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)
    assert x == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize(
    ("prompt", "ids", "start"),
    [("a picture of", [[5, 6, 7, 8, 3]], [5, 6, 7, 8]), ("", None, [5])],  # [DEC] a picture of [SEP]
)
def test_a_sentence_is_what_transformers_generates_after_the_prompt(
    folder: Path, num_beams: int, prompt: str, ids: list[list[int]] | None, start: list[int]
) -> None:
    blip = Blip(folder, settings(num_beams=num_beams, min_length=12, max_length=14, sentence_prompt=prompt))
    model = BlipForConditionalGeneration.from_pretrained(folder).eval()
    with torch.no_grad():
        written = model.generate(
            pixel_values=torch.from_numpy(blip.prepare(PICTURES[0]))[None],
            input_ids=None if ids is None else torch.tensor(ids),
            num_beams=num_beams, min_length=12, max_length=14, do_sample=False,
        )[0].tolist()  # fmt: skip
    assert written[: len(start)] == start
    assert 12 <= len(written) <= 14
    words = [WORDS[number] for number in written[len(start) :] if not WORDS[number].startswith("[")]
    assert sentences(blip)[0] == " ".join(words)


def test_a_sentence_is_the_same_again_and_beside_another_picture(folder: Path) -> None:
    together = sentences(Blip(folder, settings()))
    blip = Blip(folder, settings())
    assert [blip.answers(blip.prepare(picture)[None])[0] for picture in PICTURES] == together
    assert together[0] != together[1]


def test_a_folder_that_is_no_blip_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    for place in (tmp_path, tmp_path / "pickled"):
        with pytest.raises(UserError, match="not a BLIP folder of transformers that loads"):
            Blip(place, settings())
