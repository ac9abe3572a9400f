"""How questions are written."""

import time

import pytest

from pipeline.schemas.questions import MOST_QUESTION, YesNoQuestion, read_question
from tests.pipeline.config.rules.composed import must_refuse


@pytest.mark.parametrize(
    ("written", "text", "expects_yes"),
    [
        ("Is it green?", "Is it green?", True),
        ("Is it green? yes", "Is it green?", True),
        (" Is it red?  No ", "Is it red?", False),
        ("Say no? no", "Say no?", False),
        ("Is it a hat? Or a cap?", "Is it a hat? Or a cap?", True),
    ],
)
def test_the_right_answer_is_yes_unless_no_follows(written: str, text: str, expects_yes: bool) -> None:
    assert read_question(written) == YesNoQuestion(text, expects_yes)


@pytest.mark.parametrize("written", ["", "a hat", "?", "Is it green? maybe", "x" * MOST_QUESTION + "?"])
def test_anything_else_is_no_question(written: str) -> None:
    with pytest.raises(ValueError, match="is no question: end it with"):
        read_question(written)


def test_a_long_text_is_refused_before_it_is_looked_at() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="is no question"):
        read_question("a?" + " " * 20_000 + "x")
    assert time.monotonic() - started < 1  # the form alone takes the square of the length, several seconds


@pytest.mark.usefixtures("root")
def test_the_configuration_says_which() -> None:
    must_refuse({}, {"sample_grid.questions": ["Is it green?", "a hat"]}, "'a hat' is no question")


@pytest.mark.usefixtures("root")
def test_a_question_counts_once() -> None:
    twice = {"sample_grid.questions": ["Is it green?", "Is it green? no"], "vision.questioner": "vlm"}
    must_refuse({}, twice, r"has 'Is it green\?' twice")
