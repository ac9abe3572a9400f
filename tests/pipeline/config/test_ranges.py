from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.ranges import decimals, reals, texts, texts_or_none, wholes
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1-5 (+2)", [1, 3, 5]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("5-1 (-1)", [5, 4, 3, 2, 1]),
        ("5-1", [5, 4, 3, 2, 1]),
        ("1-10 [4]", [1, 4, 7, 10]),
        ("1-10 [3]", [1, 6, 10]),
        ("10-50 [5]", [10, 20, 30, 40, 50]),
        ("1-6 (+2)", [1, 3, 5]),
        ("-2-2 (+2)", [-2, 0, 2]),
        ("1, 3-5, 10", [1, 3, 4, 5, 10]),
        ([1, "3-5", 10], [1, 3, 4, 5, 10]),
        (7, [7]),
        ("3-3", [3]),
        ("1-5(2)", [1, 3, 5]),
    ],
)
def test_whole_numbers(written: Any, meant: list[int]) -> None:
    assert wholes(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.2-1.0 [5]", [0.2, 0.4, 0.6, 0.8, 1.0]),
        ("0-1 (+0.3)", [0.0, 0.3, 0.6, 0.9]),
        ("0-1 (+0.25)", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("1-0 (-0.5)", [1.0, 0.5, 0.0]),
        ("-0.5-0.5 (+0.5)", [-0.5, 0.0, 0.5]),
        ("1--1 (-1)", [1.0, 0.0, -1.0]),
        ("0.7, .8, 1-3", [0.7, 0.8, 1.0, 2.0, 3.0]),
        ([0.5, "0.6-0.8 [3]"], [0.5, 0.6, 0.7, 0.8]),
        ("1e-3", [0.001]),
        (0.5, [0.5]),
    ],
)
def test_real_numbers(written: Any, meant: list[float]) -> None:
    assert reals(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ddim, euler_a", ["ddim", "euler_a"]),
        ('"a cat, asleep", a dog', ["a cat, asleep", "a dog"]),
        (["a cat, asleep", "a dog"], ["a cat, asleep", "a dog"]),
        ('"a\nb", c', ["a\nb", "c"]),
    ],
)
def test_texts(written: Any, meant: list[str]) -> None:
    assert texts(written) == meant


@pytest.mark.parametrize(
    ("read", "written", "sentence"),
    [
        (wholes, "1-5 (-1)", r"goes away from the end; write \(\+1\)"),
        (wholes, "5-1 (+2)", r"goes away from the end; write \(-2\)"),
        (wholes, "1-3 (+0.5)", "holds 1.5, which is not a whole number"),
        (wholes, "1-3 [5]", "2, 3 is listed twice"),
        (wholes, "1-5 (+0)", "has a step of 0"),
        (wholes, "1-5 [1]", "at least 2"),
        (wholes, "1-99999", "99999 values"),
        (wholes, "1,,2", "'' is neither a number"),
        (wholes, "1, 1", "1 is listed twice"),
        (wholes, "one", "is neither a number nor a range; write numbers as"),
        (reals, "0.2-1.0", "needs a step"),
        (reals, "nan", "is neither a number"),
        (texts, "a,,b", "a value is empty"),
        (texts, [], "a value is empty"),
        (texts, "", "a value is empty"),
        (texts, "a\nb", "has several lines"),
        (texts_or_none, ["a", "", ""], "the empty text is listed twice"),
        (texts_or_none, ["a", "", "a"], "a is listed twice"),
        (texts_or_none, "a,,b", "a value is empty"),
    ],
)
def test_what_cannot_be_meant_is_said(read: Any, written: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read(written)


def test_a_list_may_hold_an_empty_text_where_that_means_something() -> None:
    assert texts_or_none(["hat", ""]) == ["hat", ""]
    assert texts_or_none([""]) == [""]
    assert texts_or_none("a, b") == ["a", "b"]


HUNDREDTHS = st.integers(-500, 500).map(lambda number: Decimal(number) / 100)


@given(start=HUNDREDTHS, end=HUNDREDTHS, step=st.integers(1, 300).map(lambda number: Decimal(number) / 100))
def test_a_range_starts_at_its_start_and_never_passes_its_end(
    start: Decimal, end: Decimal, step: Decimal
) -> None:
    found = decimals(f"{start}-{end} ({step})")
    low, high = sorted((start, end))
    assert found[0] == start
    assert all(low <= number <= high for number in found)
    assert abs(end - found[-1]) < step


@given(start=HUNDREDTHS, end=HUNDREDTHS, count=st.integers(2, 40))
def test_a_count_has_both_ends_and_as_many_values(start: Decimal, end: Decimal, count: int) -> None:
    found = decimals(f"{start}-{end} [{count}]")
    assert (found[0], found[-1], len(found)) == (start, end, count)
