"""Answers about a cell's pictures: what is asked, what is kept, and what the measure makes of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.grid.answers import Answers
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.manifest import manifest
from pipeline.grid.places import places_of
from pipeline.grid.plan import Grid
from pipeline.grid.scorer import Scorer
from pipeline.pictures.png import png_bytes
from pipeline.pictures.records import write_records
from pipeline.prompts.settings import DrawingSettings
from pipeline.schemas import Config
from pipeline.vision.questioner import YesShare
from tests.pipeline.vision.test_questioner import answering
from tests.pipeline.vision.tiny_vlm import write_joycaption

pytestmark = pytest.mark.usefixtures("root")
GREEN, RED = (0, 255, 0), (255, 0, 0)
IS_GREEN, IS_RED = "Is it green?", "Is it red? no"


class Eyes:
    """Sees colours: P(yes) is the channel that the question names. `asked`: (question, pictures)."""

    def __init__(self, said: float = 1.0) -> None:
        self.asked, self.said = list[tuple[str, int]](), said

    def answers(self, question: str, pictures: Sequence[Image.Image]) -> list[YesShare]:
        self.asked.append((question, len(pictures)))
        channel = 1 if "green" in question else 0
        return [YesShare(_channel(each, channel) / 255, self.said) for each in pictures]


def _channel(picture: Image.Image, channel: int) -> int:
    colour = picture.convert("RGB").getpixel((0, 0))
    assert isinstance(colour, tuple)
    return int(colour[channel])


def configured(folder: Path, questions: Sequence[str]) -> Config:
    values: dict[str, Any] = {"sample_grid.questions": list(questions)}
    values |= {"vision.questioner": str(folder), "vision.questioner_dtype": "fp32"} if questions else {}
    return check(compose(Params({"vision": "none"}, values)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with content; the stub answers for it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def drawn(config: Config, *colours: tuple[int, int, int]) -> tuple[CellStore, Cell]:
    settings = DrawingSettings.of(config.sample_grid, config.base)
    cell = Cell(
        checkpoint=None, network=None, weight=0.0, blocks=None, prompts=("a hill",),
        seeds=tuple(range(1, len(colours) + 1)), settings=settings,
    )  # fmt: skip
    return put(CellStore(config.base), cell, *colours), cell


def put(store: CellStore, cell: Cell, *colours: tuple[int, int, int]) -> CellStore:
    for item_key, colour in zip(store.keys(cell), colours, strict=True):
        store.items.put(item_key, png_bytes(Image.new("RGB", (64, 64), colour)))
    return store


def answers(config: Config, store: CellStore, eyes: Eyes) -> Answers:
    made = Answers(config.vision, config.sample_grid.questions, store)
    made.__dict__["questioner"] = eyes
    return made


def test_a_picture_has_the_mean_likelihood_of_the_right_answers(model: Path) -> None:
    config = configured(model, [IS_GREEN, IS_RED])
    store, cell = drawn(config, GREEN, RED, (51, 255, 0))
    found = answers(config, store, Eyes()).figures(cell)
    # green and not red; neither; green for sure and not red with 1 - 51 / 255.
    assert found == {"answers": [1.0, 0.0, pytest.approx((1 + 0.8) / 2)]}


def test_each_picture_is_asked_once_a_question(model: Path) -> None:
    config, eyes = configured(model, [IS_GREEN]), Eyes()
    store, cell = drawn(config, GREEN, RED)
    first = answers(config, store, eyes).figures(cell)
    assert answers(config, store, eyes).figures(cell) == first
    more = replace(cell, seeds=(1, 2, 3))
    put(store, more, GREEN, RED, RED)
    new = [key for key in store.keys(more) if key not in store.keys(cell)]
    answers(configured(model, [IS_GREEN, IS_RED]), store, eyes).figures(more)
    assert eyes.asked == [("Is it green?", 2), ("Is it green?", len(new)), ("Is it red?", 3)]


def test_a_question_may_hold_the_pictures_own_prompt(model: Path) -> None:
    config, eyes = configured(model, ["Does it show {prompt}?"]), Eyes()
    _, one = drawn(config, GREEN)
    cell = replace(one, prompts=("a (green:1.2) hill", "a red hill"), seeds=(1, 2))
    store = put(CellStore(config.base), cell, GREEN, RED, RED, GREEN)
    assert answers(config, store, eyes).figures(cell) == {"answers": [1.0, 0.0, 1.0, 0.0]}
    assert eyes.asked == [("Does it show a green hill?", 2), ("Does it show a red hill?", 2)]


def test_another_model_or_arithmetic_is_asked_anew(model: Path) -> None:
    config, eyes = configured(model, [IS_GREEN]), Eyes()
    store, cell = drawn(config, GREEN)
    answers(config, store, eyes).figures(cell)
    other = config.model_copy(
        update={"vision": config.vision.model_copy(update={"questioner_dtype": "bf16"})}
    )
    answers(other, store, eyes).figures(cell)
    (model / "config.json").write_text('{"other": 1}')
    answers(config, store, eyes).figures(cell)
    assert len(eyes.asked) == 3


def test_a_model_that_says_neither_is_warned_of_once(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(model, [IS_GREEN])
    store, cell = drawn(config, GREEN)
    made = answers(config, store, Eyes(said=0.1))
    made.figures(cell)
    made.figures(cell)
    assert capsys.readouterr().err.count("only 10% of the model's answers begin with yes or no") == 1


def test_each_question_is_told_for_the_proposed_place_and_the_base(model: Path) -> None:
    config = configured(model, [IS_GREEN, IS_RED])
    store, cell = drawn(config, GREEN, (51, 0, 0))
    made = answers(config, store, Eyes())
    assert made.content([cell], []) == {
        "questions": [
            {"question": "Is it green?", "expected": "yes", "proposed": 0.5, "base": None},
            {"question": "Is it red?", "expected": "no", "proposed": 0.9, "base": None},
        ]
    }
    assert answers(configured(model, []), store, Eyes()).content([cell], [cell]) == {}


def test_without_questions_nothing_is_asked_and_nothing_is_written(tmp_path: Path) -> None:
    config = configured(tmp_path, [])
    store, cell = drawn(config, GREEN)
    write_records(tmp_path / "cropped", [])
    scores = Scorer(config, store, tmp_path / "cropped").scored([cell])
    assert "answers" not in scores[cell].as_dict()
    content = manifest(config.sample_grid, Grid([""], [""], [""], []), scores, {})
    assert "questions" not in content["settings"]


def test_the_measure_of_a_place_comes_from_a_real_model(tmp_path: Path) -> None:
    folder = answering(write_joycaption(tmp_path / "vlm"))
    config = configured(folder, ["is this picture green ?", "is it red ? no"])
    store, alone = drawn(config, GREEN, RED)
    network = tmp_path / "zib-000005.safetensors"
    network.write_bytes(b"x")
    of_network = replace(alone, network=network, weight=1.0)
    put(store, of_network, GREEN, GREEN)
    write_records(tmp_path / "cropped", [])
    scores = Scorer(config, store, tmp_path / "cropped").scored([of_network, alone])
    [place], base = places_of(scores, {}, {network: 5})
    assert base is not None
    assert place.values["answers"][0] == place.values["answers"][1] == base.values["answers"][0]
    assert base.values["answers"][0] != base.values["answers"][1]
    assert scores[alone].as_dict()["answers"] == pytest.approx(base.values["answers"].mean(), abs=1e-4)
