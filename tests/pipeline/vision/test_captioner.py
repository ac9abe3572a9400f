"""Captions by vision-language models, on tiny random ones that transformers saved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from skimage import data as photographs
from transformers import (
    CLIPImageProcessorPil,
    Florence2ForConditionalGeneration,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)

from pipeline.bases.eight_bits import EightBitLinear
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.schemas import TagConfig
from pipeline.vision.blip import Blip
from pipeline.vision.captioner import Captioner, _first_new
from tests.pipeline.vision.tiny_blip import write_blip
from tests.pipeline.vision.tiny_vlm import write_florence, write_joycaption, write_newer_qwen, write_qwen

pytestmark = pytest.mark.usefixtures("root")
PICTURES = [
    Image.fromarray(photographs.astronaut()).resize((112, 84)),
    Image.fromarray(photographs.chelsea()).resize((56, 84)),
]
PROMPT = "describe this picture in one sentence"
WRITERS: dict[str, Callable[[Path], Path]] = {
    "florence2": write_florence,
    "qwen2_vl": write_qwen,
    "qwen2_5_vl": write_newer_qwen,
    "llava": write_joycaption,
}
PROMPTS = {"florence2": "<CAPTION>", "qwen2_vl": PROMPT, "qwen2_5_vl": PROMPT, "llava": PROMPT}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vlm")
    return {name: write(root / name) for name, write in WRITERS.items()}


def settings(**changes: Any) -> TagConfig:
    few = {"dtype": "fp32", "max_tokens": 9} | changes
    return check(compose(Params({}, {f"tag.captioner_{key}": value for key, value in few.items()}))).tag


def spelled(folder: Path, text: str) -> list[int]:
    ids: list[int] = PreTrainedTokenizerFast.from_pretrained(folder)(text, add_special_tokens=False).input_ids
    return ids


def words(folder: Path, ids: list[int]) -> str:
    return str(PreTrainedTokenizerFast.from_pretrained(folder).decode(ids, skip_special_tokens=True))


def by_hand(name: str, folder: Path, picture: Image.Image) -> str:
    """What transformers' own class writes for ids that are put together here: pictures are 5 places for
    Florence-2 (2x2 and their mean), (h/28)(w/28) for Qwen2-VL, 2x2 patches for this LLaVA.
    """
    greedy = {"do_sample": False, "num_beams": 1, "max_new_tokens": 9}
    if name == "florence2":
        pixels = CLIPImageProcessorPil.from_pretrained(folder)(picture, return_tensors="pt").pixel_values
        ids = spelled(folder, "<image>" * 5 + "<s>What does the image describe?</s>")
        model = Florence2ForConditionalGeneration.from_pretrained(folder).eval()
        written = model.generate(input_ids=torch.tensor([ids]), pixel_values=pixels, **greedy)
        return words(folder, written[0].tolist())
    if name.startswith("qwen"):
        seen = Qwen2VLImageProcessorPil.from_pretrained(folder)(picture, return_tensors="pt")
        places = (picture.width // 28) * (picture.height // 28)
        text = "<s>user <|vision_start|>" + "<image>" * places + f"<|vision_end|>{PROMPT}"
        ids = spelled(folder, text)
        kinds = torch.tensor([[int(each == 4) for each in ids]])
        older = name == "qwen2_vl"
        kind: Any = Qwen2VLForConditionalGeneration if older else Qwen2_5_VLForConditionalGeneration
        model = kind.from_pretrained(folder).eval()
        more = {**seen, "mm_token_type_ids": kinds}
    else:
        seen = SiglipImageProcessorPil.from_pretrained(folder)(picture, return_tensors="pt")
        ids = spelled(folder, "<s>user " + "<image>" * 4 + PROMPT)
        model, more = LlavaForConditionalGeneration.from_pretrained(folder).eval(), dict(seen)
    written = model.generate(input_ids=torch.tensor([ids]), **more, **greedy)
    return words(folder, written[0, len(ids) :].tolist())


@pytest.mark.parametrize("name", WRITERS)
def test_a_text_is_what_the_models_own_class_writes_greedily(folders: dict[str, Path], name: str) -> None:
    captioner = Captioner(folders[name], settings())
    assert captioner.about.layout == name
    for picture in PICTURES:
        [text] = captioner.texts(PROMPTS[name], [picture])
        assert text
        # The limit of 9 tokens may have cut it back to its last full stop or comma.
        assert by_hand(name, folders[name], picture).startswith(text)


@pytest.mark.parametrize("name", WRITERS)
def test_pictures_of_different_shapes_in_one_batch_have_the_texts_of_each_alone(
    folders: dict[str, Path], name: str
) -> None:
    captioner = Captioner(folders[name], settings())
    together = captioner.texts(PROMPTS[name], PICTURES)
    alone = [text for picture in PICTURES for text in captioner.texts(PROMPTS[name], [picture])]
    assert together == alone
    assert together == Captioner(folders[name], settings()).texts(PROMPTS[name], PICTURES)
    assert together[0] != together[1]


def test_the_start_of_text_that_a_template_writes_is_the_only_one(folders: dict[str, Path]) -> None:
    captioner = Captioner(folders["llava"], settings())
    assert captioner.processor.tokenizer("cat").input_ids[0] == 2  # the tokenizer would put one before it
    inputs = captioner.inputs("<s>user <image>cat", PICTURES[:1])
    assert inputs["input_ids"][0].tolist() == spelled(folders["llava"], f"<s>user {'<image>' * 4}cat")


@pytest.mark.parametrize("name", ["qwen2_vl", "llava"])
def test_a_system_message_is_part_of_what_is_asked(folders: dict[str, Path], name: str) -> None:
    plain = Captioner(folders[name], settings()).texts(PROMPT, PICTURES)
    assert Captioner(folders[name], settings(system="red sky")).texts(PROMPT, PICTURES) != plain


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "llava"])
def test_a_language_model_in_eight_bits_keeps_what_sees_and_what_speaks(
    folders: dict[str, Path], name: str
) -> None:
    captioner = Captioner(folders[name], settings(weights="int8"))
    eight = {each for each, layer in captioner.network.named_modules() if isinstance(layer, EightBitLinear)}
    assert any("language_model.layers.0.self_attn.q_proj" in each for each in eight)
    assert not [each for each in eight if "vis" in each or "lm_head" in each or "projector" in each]
    assert captioner.network.get_submodule(min(eight)).get_parameter("weight").dtype == torch.int8
    [text] = captioner.texts(PROMPTS[name], PICTURES[:1])
    [whole] = Captioner(folders[name], settings()).texts(PROMPTS[name], PICTURES[:1])
    assert text.split()[0] == whole.split()[0]


def test_bf16_is_the_type_of_weights_and_pictures(folders: dict[str, Path]) -> None:
    captioner = Captioner(folders["qwen2_vl"], settings(dtype="bf16"))
    assert {each.dtype for each in captioner.network.parameters()} == {torch.bfloat16}
    assert captioner.inputs("<s>user <image>", PICTURES[:1])["pixel_values"].dtype == torch.bfloat16
    assert captioner.texts(PROMPT, PICTURES[:1])[0]


def test_blip_is_such_a_model_and_writes_what_it_writes_as_sentence_model(tmp_path: Path) -> None:
    folder = write_blip(tmp_path / "blip")
    captioner = Captioner(folder, settings())
    assert captioner.about.layout == "blip"
    # Nine new tokens after [DEC] a picture of; the older class counts all thirteen.
    older = {"sentence_prompt": "a picture of", "num_beams": 1, "min_length": 0, "max_length": 13}
    blip = Blip(folder, check(compose(Params({}, {f"tag.{key}": value for key, value in older.items()}))).tag)
    for picture in PICTURES:
        [text], [sentence] = (
            captioner.texts("a picture of", [picture]),
            blip.answers(blip.prepare(picture)[None]),
        )
        assert text == sentence


@pytest.mark.parametrize(
    ("written", "start"),
    [([2, 7, 8, 5, 6], 3), ([9, 7, 5, 6, 4], 2), ([5, 6, 4, 4, 4], 0)],  # whole, BLIP's, new ones alone
)
def test_new_tokens_are_found_after_the_prompt(written: list[int], start: int) -> None:
    assert _first_new(torch.tensor([written]), torch.tensor([[2, 7, 8]])) == start


def test_a_card_that_is_too_small_is_a_sentence(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = Captioner(folders["llava"], settings())

    def full(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(captioner.network, "generate", full)
    with pytest.raises(UserError, match=r"does not fit the card's memory; set tag\.captioner_weights"):
        captioner.texts(PROMPT, PICTURES)


def test_florence_takes_task_tokens_alone(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"only task tokens, found 'describe this.*use one of <CAPTION>"):
        Captioner(folders["florence2"], settings()).texts(PROMPT, PICTURES)


def test_a_template_without_a_place_for_pictures_is_a_sentence(tmp_path: Path) -> None:
    folder = write_joycaption(tmp_path / "joy")
    (folder / "chat_template.jinja").write_text("{% for message in messages %}{{ message.role }}{% endfor %}")
    with pytest.raises(UserError, match=r"the chat template of this llava takes no picture with a prompt"):
        Captioner(folder, settings()).texts(PROMPT, PICTURES)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = write_florence(tmp_path / "florence")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "harm.Config", "AutoModelForImageTextToText": "harm.Model"}
    (folder / "harm.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (folder / "config.json").write_text(json.dumps(config))
    assert Captioner(folder, settings()).texts("<CAPTION>", PICTURES[:1])[0]
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "unknown"}))
    with pytest.raises(UserError, match="not a vision-language model of transformers that loads"):
        Captioner(folder, settings())
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_safe_weights_is_a_sentence(tmp_path: Path) -> None:
    folder = write_qwen(tmp_path / "qwen")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    for place in (tmp_path, folder):
        with pytest.raises(UserError, match="not a vision-language model of transformers that loads"):
            Captioner(place, settings())
