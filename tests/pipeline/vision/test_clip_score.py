"""CLIPScore, on a tiny random model that transformers saved."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data as photographs
from transformers import BertTokenizer, CLIPImageProcessorPil, CLIPModel

from pipeline.errors import UserError
from pipeline.vision.clip_score import ClipScorer
from tests.pipeline.vision.tiny_clip import write_clip

PICTURES = [Image.fromarray(photographs.astronaut()), Image.fromarray(photographs.chelsea())]
PROMPTS = ["a red cat", "a green dog a green dog a green dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "tiny")


def test_a_score_is_a_hundred_times_the_cosine_of_transformers_embeddings(folder: Path) -> None:
    model = CLIPModel.from_pretrained(folder).eval()
    pictures, tokenizer = (
        CLIPImageProcessorPil.from_pretrained(folder),
        BertTokenizer.from_pretrained(folder),
    )
    expected = []
    for picture, prompt in zip(PICTURES, PROMPTS, strict=True):
        pixels = pictures(picture, return_tensors="pt")["pixel_values"]
        ids = tokenizer(prompt, truncation=True, max_length=8, return_tensors="pt").input_ids
        with torch.no_grad():
            cosine = model(pixel_values=pixels, input_ids=ids).logits_per_image / model.logit_scale.exp()
        expected.append(100 * max(float(cosine), 0.0))
    assert ClipScorer(folder).scores(PICTURES, PROMPTS) == pytest.approx(expected, abs=1e-4)
    assert any(expected)


def test_a_folder_of_something_else_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a CLIP folder of transformers that loads"):
        ClipScorer(tmp_path)


def test_scores_that_are_no_numbers_are_a_sentence(folder: Path) -> None:
    scorer = ClipScorer(folder)
    scorer.model.visual_projection.weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="clip gives numbers that are not finite"):
        scorer.scores(PICTURES, PROMPTS)
