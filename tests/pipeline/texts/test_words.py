"""Whole words of a text."""

import pytest

from pipeline.texts.words import has_words, with_words_replaced


@pytest.mark.parametrize(
    ("text", "words", "is_there"),
    [
        ("a Zibbo, red fur", "zibbo", True), ("a zibbos", "zibbo", False), ("zibbo", "zibbo", True),
        ("a.b", "a.b", True), ("axb", "a.b", False), ("my zib bo", "zib bo", True), ("", "zibbo", False),
    ],
)  # fmt: skip
def test_whole_words_in_any_case(text: str, words: str, is_there: bool) -> None:
    assert has_words(text, words) is is_there


def test_each_place_gets_the_other_words_as_they_are() -> None:
    assert (
        with_words_replaced("Zibbo and zibbos, zibbo", "zibbo", r"a \1 dog")
        == r"a \1 dog and zibbos, a \1 dog"
    )
