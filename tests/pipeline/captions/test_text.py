import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions.text import KAOMOJI, escaped, same, spaced, underscored, unescaped

booru_tags = st.text(st.characters(exclude_characters=" ", exclude_categories=["Cs"]), min_size=1)


def test_the_nineteen_kaomoji_keep_their_underscore() -> None:
    assert len(KAOMOJI) == 19
    assert all(spaced(face) == face for face in KAOMOJI)


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("long_hair", "long hair"),
        ("hair_over_one_eye", "hair over one eye"),
        ("^^^", "^^^"),
        (":_d", ": d"),  # no kaomoji of the list
        ("x_x_x", "x x x"),
        ("close-up", "close-up"),
        ("初音_ミク", "初音 ミク"),
    ],
)
def test_other_underscores_become_spaces(raw: str, written: str) -> None:
    assert spaced(raw) == written


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("mario_(game)", r"mario_\(game\)"),
        (r"\o/", r"\\o/"),
        ("(o)_(o)", r"\(o\)_\(o\)"),
        ("a (b (c))", r"a \(b \(c\)\)"),
        ("plain", "plain"),
    ],
)
def test_brackets_and_backslashes_are_escaped(raw: str, written: str) -> None:
    assert escaped(raw) == written
    assert unescaped(written) == raw


@given(st.text())
def test_escaping_is_undone_and_leaves_nothing_bare(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert escaped(text).count("\\") == len(re.findall(r"[()]", text)) + 2 * text.count("\\")


@given(booru_tags | st.sampled_from(sorted(KAOMOJI)))
def test_underscores_come_back_from_spaces(tag: str) -> None:
    assert underscored(spaced(tag)) == tag
    assert spaced(underscored(spaced(tag))) == spaced(tag)


def test_tags_compare_whatever_the_case_and_the_form_of_accents() -> None:
    assert same("Cafe\u0301") == same("caf\u00e9") == "caf\u00e9"
