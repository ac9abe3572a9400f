"""Which kind of caption a step shows."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from pipeline.bases.tokenizers import make_tokenizer
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.schemas import TrainConfig
from pipeline.training.callbacks.validation import ValidationCallback
from pipeline.training.caption_checks import check_captions
from pipeline.training.caption_kinds import (
    drawn_kind,
    heaviest_kind,
    insist_on_kinds,
    kind_of_variant,
    shown_kinds,
)
from pipeline.training.data import EncodedData, EpochBatches, Picture
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.history import History
from pipeline.training.text_outputs import texts_of
from tests.pipeline.training.settings import train

pytestmark = pytest.mark.usefixtures("root")
THREE_TO_ONE = {"tags": 3, "sentence": 1}
TAGS = "zib, a0, b, c, d, e, f, g"
SENTENCE = "zib, a dog, on grass, in light"


def data_of(folder: Path, config: TrainConfig, num: int = 8, **kinds: str) -> EncodedData:
    seen = EpochPicture(4, False, (64, 64))
    pictures = [
        Picture(f"x/{n}", "x", f"zib, a{n}, b, c, d, e, f, g", "zib", seen, kinds=kinds) for n in range(num)
    ]
    write_safetensors(folder / "latents.safetensors", {p.id: torch.zeros(8, 8, 8) for p in pictures}, {})
    return EncodedData(folder, pictures, make_tokenizer(None), config, seed=1)


def shown(data: EncodedData, epochs: int) -> list[str]:
    batches = [EpochBatches(data, epoch) for epoch in range(epochs)]
    return [text for each in batches for number in range(len(each)) for text in each.captions(number)]


def test_kinds_are_drawn_by_weight_and_only_tags_are_shuffled(tmp_path: Path) -> None:
    data = data_of(tmp_path, train(caption_kinds=THREE_TO_ONE, batch=2), sentence=SENTENCE, short="zib")
    texts = shown(data, 40)
    sentences = texts.count(SENTENCE)
    # 8 pictures x 4 x 40 draws at 1/4: 320 of 1280, deviation 15.5.
    assert 270 < sentences < 370
    assert len({text for text in texts if text != SENTENCE}) > 100  # shuffled
    assert "zib" not in texts


def test_the_same_seed_draws_the_same_and_a_resumed_run_goes_on_alike(tmp_path: Path) -> None:
    data = data_of(tmp_path, train(caption_kinds=THREE_TO_ONE, batch=2), sentence=SENTENCE)
    assert shown(data, 3) == shown(data, 3)
    whole = [EpochBatches(data, 2).captions(number) for number in range(8)]
    assert [EpochBatches(data, 2).captions(number) for number in (5, 6, 7)] == whole[5:]


@pytest.mark.parametrize("variants", [None, 3])
def test_without_kinds_captions_are_drawn_as_before(tmp_path: Path, variants: int | None) -> None:
    """Other captions in data/captions/ change nothing while none is asked for."""
    config = train(batch=2, caption_variants=variants, caption_dropout=0.2)
    with_kinds = shown(data_of(tmp_path, config, sentence=SENTENCE), 3)
    assert with_kinds == shown(data_of(tmp_path, config), 3)
    assert config.identity() == train(batch=2, caption_variants=variants, caption_dropout=0.2).identity()
    assert "caption_kinds" not in config.identity()


def test_variants_divide_by_weight_and_are_few(tmp_path: Path) -> None:
    config = train(caption_kinds=THREE_TO_ONE, caption_variants=4, caption_dropout=0.1, batch=2)
    data = data_of(tmp_path, config, num=2, sentence=SENTENCE)
    texts = texts_of(data, range(30))
    # Of each picture's 4 variants 3 are orders of its tags and one is its sentence, the same for both; "" is
    # the dropped one.
    by_picture = Counter(
        next((tag for tag in text.split(", ") if tag in ("a0", "a1")), text) for text in texts
    )
    assert by_picture == {"a0": 3, "a1": 3, SENTENCE: 1, "": 1}


def test_variants_that_do_not_divide_share_the_odd_one_among_pictures() -> None:
    config = train(caption_kinds={"tags": 1, "sentence": 1}, caption_variants=3)
    counts = Counter(
        sum(kind_of_variant(["tags", "sentence"], config, n, f"1/x/{p}") == "tags" for n in range(3))
        for p in range(200)
    )
    assert counts.keys() == {1, 2}
    assert abs(counts[1] - counts[2]) < 60  # 200 fair coins: a difference of four deviations is 57


def test_a_picture_that_lacks_a_kind_shows_its_others() -> None:
    config = train(caption_kinds={"sentence": 2, "short": 1, "tags": 1})
    assert shown_kinds("a", {"short": "s", "odd": "o"}, config) == {"short": "s", "tags": "a"}
    assert shown_kinds("a", {}, train(caption_kinds={"sentence": 1})) == {"tags": "a"}
    assert shown_kinds("a", {"short": "s"}, train()) == {"tags": "a"}
    random = Random(0)
    drawn = Counter(drawn_kind(["short", "tags"], config, random) for _ in range(2000))
    assert abs(drawn["short"] - 1000) < 120  # five deviations of 22.4
    assert heaviest_kind(["short", "tags"], config) == "short"
    assert heaviest_kind(["sentence", "tags"], config) == "sentence"


def test_one_kind_costs_no_chance() -> None:
    random = Random(3)
    assert drawn_kind(["tags"], train(), random) == "tags"
    assert random.random() == Random(3).random()


def test_a_kind_that_no_caption_has_is_an_error_before_training(tmp_path: Path) -> None:
    config = train(caption_kinds={"tags": 1, "sentense": 1})
    with pytest.raises(UserError, match=r"caption_kinds\.sentense: no caption is of this kind; .*sentence"):
        insist_on_kinds([{}, {"sentence": "s"}], config)
    with pytest.raises(UserError, match=r"no caption is of this kind"):
        check_captions(data_of(tmp_path, config, sentence=SENTENCE))


def test_long_texts_of_shown_kinds_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long: dict[str, Any] = {"sentence": "dog " * 80}
    check_captions(data_of(tmp_path, train(), **long))
    assert capsys.readouterr().err == ""
    check_captions(data_of(tmp_path, train(caption_kinds=THREE_TO_ONE), num=3, **long))
    assert "3 captions are longer than 75 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kinds", "measured"), [({}, TAGS), (THREE_TO_ONE, TAGS), ({"tags": 1, "sentence": 2}, SENTENCE)]
)
def test_validation_measures_the_kind_that_is_shown_most(
    tmp_path: Path, kinds: dict[str, float], measured: str
) -> None:
    data = data_of(tmp_path, train(caption_kinds=kinds), num=1, sentence=SENTENCE)
    config = check(compose(Params({"validation": "light"}, {}))).validation
    callback = ValidationCallback(History(), data, data.pictures, config)
    assert {sample.caption for side in callback.sides.values() for sample in side} == {measured}
