"""The grammar of the filter field, and which pictures it names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline.captions.finished import Caption
from pipeline.captions.tags import Dropped
from pipeline.workbench.filters import All, Not, OneOf, Term, parsed
from pipeline.workbench.matching import Matcher
from pipeline.workbench.pictures import ShownPicture

words = some.sampled_from(
    ["tag:a", "-tag:a", "not", "and", "or", "(", ")", '"', "x", "tags:<5", "tags:<", "score:a<0.6", "id:*1",
     "edited", "--", "-", ":", "near:zib/1", 'tag:"a b"', "verdict:warn", "side:>=512"]
)  # fmt: skip
texts = some.lists(words | some.text(max_size=4), max_size=12).map(" ".join)


def picture(name: str, **other: object) -> ShownPicture:
    values: dict[str, Any] = {
        "id": name, "picture": name, "sha256": "0", "original": "0", "width_px": 512, "height_px": 768,
        "concept": "zib", "is_class": False, "verdict": "ok", "notes": (), "group": name, "mask": None,
        "made": None,
    }  # fmt: skip
    return ShownPicture(**{**values, **other})


def caption(text: str, *dropped: str) -> Caption:
    gone = tuple(Dropped(tag, "blacklist", 0.9) for tag in dropped)
    return Caption(text, None, tuple(text.split(", ")), gone, ())


PICTURES = [
    picture("zib/1"),
    picture("zib/2", verdict="warn", notes=("blur: sharpness 2",)),
    picture("zib/3", mask="m" * 64, made=((2000, 1000), (0, 0, 500, 500), 1.0, False)),
    picture("cat/4", concept="cat"),
]
CAPTIONS = {
    "zib/1": caption("hat, long hair, smile"),
    "zib/2": caption("hat, blue hair", "stripes"),
    "zib/3": caption("smile", "Hat"),
}
SCORES = {"hat": {"zib/1": 0.9, "zib/2": 0.5}}


def matcher() -> Matcher:
    return Matcher(PICTURES, CAPTIONS, lambda tag: SCORES.get(tag, {}), lambda name: {0, 2} if name else ())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", "0123"),
        ("tag:hat", "01"),
        ("TAG:Hat", "01"),
        ("-tag:hat", "23"),
        ("dropped:hat", "2"),
        ('tag:"* hair"', "01"),
        ("tag:long_hair", "0"),
        ("tag:hat smile", "0"),
        ("tag:hat or tag:smile", "012"),
        ("not (tag:hat or tag:smile)", "3"),
        ("tag:hat and not tag:smile", "1"),
        ("caption:hair", "01"),
        ("stripes", ""),
        ("id:zib", "012"),
        ("id:*/4", "3"),
        ("concept:cat", "3"),
        ("verdict:warn", "1"),
        ("check:blur", "1"),
        ("masked", "2"),
        ("tags:<3", "12"),
        ("tags:=3", "0"),
        ("tokens:>4", "0"),
        ("score:hat<0.6", "1"),
        ("side:<768", "013"),
        ("side:>=1000", "2"),
        ("near:zib/1", "02"),
        ("tags:<x", ""),
        ("tag:hat )", "01"),
        ("(tag:hat", "01"),
        ('"blue hair"', "1"),
    ],
)
def test_a_filter_names_these_pictures(text: str, numbers: str) -> None:
    assert matcher().matching(parsed(text)) == {int(number) for number in numbers}


def test_terms_next_to_each_other_bind_closer_than_or() -> None:
    a, b, c = Term("tag", "a"), Term("tag", "b"), Term("tag", "c")
    assert parsed("tag:a tag:b or not tag:c") == OneOf((All((a, b)), Not(c)))


@given(texts)
def test_no_text_is_an_error_and_not_not_is_the_same(text: str) -> None:
    wanted = parsed(text)
    found = matcher().matching(wanted)
    assert matcher().matching(Not(Not(wanted))) == found
    assert found | matcher().matching(Not(wanted)) == {0, 1, 2, 3}
    assert (
        matcher().matching(parsed(f"({text})")) == found or text.count("(") != text.count(")") or '"' in text
    )


def test_a_thousand_brackets_are_no_error() -> None:
    assert matcher().matching(parsed("(" * 5000 + "tag:hat" + ")" * 5000)) <= {0, 1, 2, 3}


def test_the_panel_counts_tags_of_the_shown_pictures() -> None:
    tags = {name: (kept, lost) for name, kept, lost in matcher().tags({1, 2})}
    assert tags["hat"] == (1, 1)
    assert tags["stripes"] == (0, 1)
    assert "long hair" not in tags


def test_a_changed_caption_is_found_under_its_new_tags_alone() -> None:
    found = matcher()
    found.captions = {**CAPTIONS, "zib/1": caption("cap")}
    found.update([0])
    assert found.matching(parsed("tag:hat")) == {1}
    assert found.matching(parsed("tag:cap")) == {0}
    assert found.matching(parsed("smile")) == {2}


def test_any_number_of_dashes_is_read() -> None:
    assert parsed("-" * 3001 + "a") == Not(parsed("a"))
    assert parsed("-" * 3000 + "a") == parsed("a")
    assert parsed("-" * 3000) == Not(parsed("-"))
