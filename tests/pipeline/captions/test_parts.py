import pytest

from pipeline.captions.parts import CaptionPart, at_most, render, within_budget
from tests.pipeline.captions.filter_tags_config import config

PARTS = [
    CaptionPart("zib", "trigger", "trigger"),
    CaptionPart("a cat", "text", "sentence"),
    CaptionPart("on a bed", "text", "sentence"),
    CaptionPart("smile", "tag", None, 0.9, 0.9),
    CaptionPart("hat", "tag", None, 0.5, 0.5),
    CaptionPart("bow", "tag", None, 0.5, 0.5),
    CaptionPart("mine", "tag", "caption came along"),
    CaptionPart("added", "hand", "edit zib/*"),
    CaptionPart(r"\(a", "verbatim", "edit zib/*"),
]


@pytest.mark.parametrize(
    ("num", "gone"),
    [
        (9, []),
        (8, ["hat"]),
        (7, ["hat", "bow"]),
        (5, ["hat", "bow", "smile", "mine"]),
        (3, ["hat", "bow", "smile", "mine", "on a bed", "a cat"]),
        (1, ["hat", "bow", "smile", "mine", "on a bed", "a cat"]),  # the rest is the person's own
    ],
)
def test_the_least_sure_go_first_and_texts_last(num: int, gone: list[str]) -> None:
    left, dropped = at_most(PARTS, num)
    assert [drop.tag for drop in dropped] == gone
    assert [part.text for part in left] == [part.text for part in PARTS if part.text not in gone]


def test_the_budget_takes_tags_from_the_end_then_texts() -> None:
    gone = [drop.tag for drop in within_budget(PARTS, config(max_tokens=1))[1]]
    assert gone == ["mine", "bow", "hat", "smile", "on a bed", "a cat"]
    assert within_budget(PARTS, config())[1] == []


def test_only_tags_get_underscores_and_what_is_set_is_left_to_the_letter() -> None:
    parts = [
        CaptionPart("a (b", "text"),
        CaptionPart("c (d", "tag"),
        CaptionPart("e f", "hand"),
        CaptionPart(r"g \(h", "verbatim"),
    ]
    assert render(parts, config()) == r"a (b, c (d, e f, g \(h"
    assert render(parts, config(underscores=True, escape=True)) == r"a \(b, c_\(d, e_f, g \(h"
