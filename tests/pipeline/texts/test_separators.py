from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.texts.separators import Separators, TagPiece

MARKED = Separators(",", "|||", ";;;")
SEMICOLONS = Separators(";", "|||", ";;;")


@pytest.mark.parametrize(
    ("separators", "text", "names"),
    [
        (Separators(), "1girl,solo , mario (game),, x,", ["1girl", "solo", "mario (game)", "x"]),
        (Separators(), " , ", []),
        (Separators(), "1girl\uff0c solo\u3001smile", ["1girl", "solo", "smile"]),  # full-width commas
        (Separators(), "a {red, blue|green} hat, x", ["a {red, blue|green} hat", "x"]),
        (Separators(), "{red, blue}, x", ["{red", "blue}", "x"]),  # no wildcard
        (Separators(), "(smile, hat:1.2), x", ["(smile, hat:1.2)", "x"]),
        (Separators(), "(smile, hat), x", ["(smile", "hat)", "x"]),
        (Separators(";"), "a, b; c\uff1bd", ["a, b", "c", "d"]),
        (SEMICOLONS, "red hat;;;bow;x ||| y", ["red hat", "bow", "x", "y"]),  # `;` is not found in `;;;`
    ],
)
def test_a_caption_is_parted_into_its_tags(separators: Separators, text: str, names: list[str]) -> None:
    assert separators.names(text) == names


def test_sections_and_groups_are_known_and_joined_again() -> None:
    text = "zib, hat ||| red hat;;;blue bow, smile ||| best quality"
    pieces = MARKED.pieces(text)
    assert [(piece.text, piece.section) for piece in pieces] == [
        ("zib", 0), ("hat", 0), ("red hat", 1), ("blue bow", 1), ("smile", 1), ("best quality", 2),
    ]  # fmt: skip
    assert [bool(piece.group) for piece in pieces] == [False, False, True, True, False, False]
    assert MARKED.join(pieces) == text
    # What has no place goes into the middle, before the last mark.
    assert MARKED.join([*pieces, TagPiece("sky")]) == text.replace("smile", "smile, sky")
    assert SEMICOLONS.join([TagPiece("a"), TagPiece("b")]) == "a; b"
    assert MARKED.ungrouped("a;;;b, c") == "a, b, c"


@given(st.lists(st.text("ab{}()|:;,. 1\uff0c", max_size=12), max_size=6))
def test_joining_keeps_every_tag(parts: list[str]) -> None:
    names = Separators().names(", ".join(parts))
    assert Separators().names(", ".join(names)) == names


@pytest.mark.parametrize("sign", ["(", "{", "{|", "|", ",", "(:1", ";;;", "({", " "])
def test_a_strangers_long_caption_takes_no_time(sign: str) -> None:
    start = perf_counter()
    MARKED.pieces(sign * 20_000)
    assert perf_counter() - start < 1  # a twentieth of it on a quiet machine
