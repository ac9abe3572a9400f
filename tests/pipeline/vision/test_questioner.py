"""Yes or no about pictures, by tiny random models that transformers saved, and by hand."""

from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from skimage import data as photographs
from transformers import (
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.schemas import VisionConfig
from pipeline.vision.questioner import Questioner, yes_shares
from tests.pipeline.vision.tiny_vlm import write_florence, write_joycaption, write_newer_qwen, write_qwen

pytestmark = pytest.mark.usefixtures("root")
PICTURES = [
    Image.fromarray(photographs.astronaut()).resize((112, 84)),
    Image.fromarray(photographs.chelsea()).resize((56, 84)),
]
QUESTION = "does this picture describe a red house ?"
ASKED = f"{QUESTION} Please answer yes or no."
YES, NO = 23, 24  # ids of cat and dog, which the tests' tokenizers call yes and no
WRITERS: dict[str, Callable[[Path], Path]] = {
    "qwen2_vl": write_qwen, "qwen2_5_vl": write_newer_qwen, "llava": write_joycaption,
}  # fmt: skip


def answering(folder: Path) -> Path:
    """The folder, its tokenizer with yes and no in place of cat and dog."""
    file = folder / "tokenizer.json"
    text = file.read_text(encoding="utf-8")
    assert f'"cat": {YES}' in text
    assert f'"dog": {NO}' in text
    text = text.replace(f'"cat": {YES}', f'"yes": {YES}').replace(f'"dog": {NO}', f'"no": {NO}')
    file.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vlm")
    return {name: answering(write(root / name)) for name, write in WRITERS.items()}


def settings(**changes: Any) -> VisionConfig:
    values = {"vision.questioner_dtype": "fp32", **{f"vision.{key}": each for key, each in changes.items()}}
    return check(compose(Params({"vision": "none"}, values))).vision


def test_the_share_of_yes_is_the_softmax_of_the_two_logits() -> None:
    # e^ln3 = 3 against e^ln1 = 1: 3/4; the other two tokens weigh 1 and 5 of 10 in all, so 4/10 is said.
    logits = torch.tensor([[log(1), log(3), log(1), log(5)], [0.0, 200.0, -200.0, 0.0]])
    first, second = yes_shares(logits, [1], [2])
    assert first.yes == pytest.approx(3 / 4, abs=1e-6)  # float32 logits
    assert first.said == pytest.approx(4 / 10, abs=1e-6)
    assert (second.yes, second.said) == (1.0, 1.0)


def test_spellings_of_one_answer_count_together() -> None:
    logits = torch.tensor([[log(3), log(1), log(1), log(5)]])
    (found,) = yes_shares(logits, [0, 2], [3])
    assert found.yes == pytest.approx(4 / 9, abs=1e-6)


def by_hand(name: str, folder: Path, picture: Image.Image) -> float:
    """P(yes) from the logits of transformers' own class, for ids that are put together here."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    if name == "qwen2_vl":
        seen = Qwen2VLImageProcessorPil.from_pretrained(folder)(picture, return_tensors="pt")
        places = (picture.width // 28) * (picture.height // 28)
        text = "<s>user <|vision_start|>" + "<image>" * places + f"<|vision_end|>{ASKED}"
        ids = tokenizer(text, add_special_tokens=False).input_ids
        kinds = torch.tensor([[int(each == 4) for each in ids]])
        model: Any = Qwen2VLForConditionalGeneration.from_pretrained(folder).eval()
        more = {**seen, "mm_token_type_ids": kinds}
    else:
        seen = SiglipImageProcessorPil.from_pretrained(folder)(picture, return_tensors="pt")
        ids = tokenizer("<s>user " + "<image>" * 4 + ASKED, add_special_tokens=False).input_ids
        model, more = LlavaForConditionalGeneration.from_pretrained(folder).eval(), dict(seen)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids]), **more).logits[0, -1]
    return 1 / (1 + exp(float(logits[NO] - logits[YES])))


@pytest.mark.parametrize("name", ["qwen2_vl", "llava"])
def test_an_answer_is_what_the_models_own_class_says_of_the_first_token(
    folders: dict[str, Path], name: str
) -> None:
    found = Questioner(folders[name], settings()).answers(QUESTION, PICTURES)
    expected = [by_hand(name, folders[name], picture) for picture in PICTURES]
    # The same float32 model by another path: sums of a few hundred terms.
    assert [each.yes for each in found] == pytest.approx(expected, abs=1e-4)
    assert found[0].yes != found[1].yes
    assert all(0 < each.said < 1 for each in found)


@pytest.mark.parametrize("name", WRITERS)
def test_pictures_in_one_batch_have_the_answers_of_each_alone(folders: dict[str, Path], name: str) -> None:
    questioner = Questioner(folders[name], settings())
    alone = [each.yes for each in questioner.answers(QUESTION, PICTURES)]
    questioner.together = 2
    # Padding on the left moves nothing but the order of float32 sums.
    assert [each.yes for each in questioner.answers(QUESTION, PICTURES)] == pytest.approx(alone, abs=1e-4)


def test_another_question_has_another_answer(folders: dict[str, Path]) -> None:
    questioner = Questioner(folders["llava"], settings())
    (one,), (other,) = (
        questioner.answers(each, PICTURES[:1]) for each in (QUESTION, "does the sky light the tree ?")
    )
    assert one.yes != other.yes


def test_in_eight_bits_answers_are_nearly_the_same(folders: dict[str, Path]) -> None:
    (whole,) = Questioner(folders["llava"], settings()).answers(QUESTION, PICTURES[:1])
    (eight,) = Questioner(folders["llava"], settings(questioner_weights="int8")).answers(
        QUESTION, PICTURES[:1]
    )
    # 8 bits round each weight by up to 1/254 of its row's largest; the tiny model's weights have std 1.
    assert eight.yes == pytest.approx(whole.yes, abs=0.2)


def test_a_tokenizer_without_yes_and_no_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vision\.questioner: its tokenizer has no token of its own for yes"):
        Questioner(write_qwen(tmp_path / "qwen"), settings())


@pytest.mark.parametrize("name", WRITERS)
def test_the_models_mark_of_a_picture_in_a_question_is_a_sentence(
    folders: dict[str, Path], name: str
) -> None:
    with pytest.raises(UserError, match=r"vision\.questioner: 'is an <image> .*' holds <image>, which is"):
        Questioner(folders[name], settings()).answers("is an <image> a picture ?", PICTURES[:1])


def test_answers_that_are_no_numbers_are_a_sentence(folders: dict[str, Path]) -> None:
    questioner = Questioner(folders["llava"], settings())
    questioner.network.get_output_embeddings().weight.data.fill_(float("nan"))  # as fp16 overflows
    with pytest.raises(UserError, match="not finite; set"):
        questioner.answers(QUESTION, PICTURES[:1])


def test_florence_answers_no_questions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vision\.questioner .* Florence-2 takes only task tokens"):
        Questioner(write_florence(tmp_path / "florence"), settings())


def test_another_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vision\.questioner .*: not a vision-language model"):
        Questioner(tmp_path, settings())


def test_a_card_that_is_too_small_is_a_sentence(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    questioner = Questioner(folders["llava"], settings())

    def full(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(questioner.network, "generate", full)
    with pytest.raises(UserError, match=r"vision\.questioner does not fit .* vision\.questioner_weights"):
        questioner.answers(QUESTION, PICTURES)
