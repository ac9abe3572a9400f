"""Expectations are AUTOMATIC1111's own examples; its documentation counts `when` as the steps of the first
text.
"""

import time

import pytest

from pipeline.errors import UserError
from pipeline.prompts.steps import texts_by_step


def spans(prompt: str, steps: int = 10, second: int = 0) -> list[tuple[int, str]]:
    """(last step, text) of each stretch of steps with one text."""
    texts = texts_by_step(prompt, steps, second)
    ends = [*(n for n in range(1, len(texts)) if texts[n] != texts[n - 1]), len(texts)]
    return [(end, texts[end - 1]) for end in ends]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [b::0.7] c", [(7, "a b c"), (10, "a  c")]),
        ("a [b] (c:1.2)", [(10, "a [b] (c:1.2)")]),
        ("[(a:1.2):b:5]", [(5, "(a:1.2)"), (10, "b")]),
        (r"a \[b:3\]", [(10, r"a \[b:3\]")]),
        ("a [b:c]", [(10, "a [b:c]")]),
        ("[b:0]", [(10, "b")]),
        ("[b:99]", [(10, "")]),
    ],
)
def test_editing_by_hand(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert spans(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        # A bar and a colon in one bracket are no alternation and no editing; the bar makes all of it text.
        ("[a|b:0.5]", [(10, "[a|b:0.5]")]),
        ("[a b|c d:0.5]", [(10, "[a b|c d:0.5]")]),
        ("[(a|b):c:0.5]", [(10, "[(a|b):c:0.5]")]),
        ("(a|b) [c:d:5]", [(10, "(a|b) [c:d:5]")]),
        ("x|y [c:d:5]", [(10, "x|y [c:d:5]")]),
        # Numbers have a sign and an exponent; what has no point counts steps.
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:-0.5]", [(10, "b")]),
        ("[a:b:+2]", [(2, "a"), (10, "b")]),
        ("[a:b:1e-1]", [(10, "b")]),
        ("[a:b:3e0]", [(3, "a"), (10, "b")]),
        ("[a:b:1.5E-1]", [(1, "a"), (10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:- 1]", [(10, "[a:b:- 1]")]),
        ("[a:b:\n2 ]", [(2, "a"), (10, "b")]),
        ("[a:b:1 0]", [(10, "[a:b:1 0]")]),
        # What is in a bracket must have a meaning, or the bracket is text.
        ("[a:(b:c:d):2]", [(10, "[a:(b:c:d):2]")]),
        ("[[a:b]:c:2]", [(10, "[[a:b]:c:2]")]),
        ("[a:b):c:2]", [(10, "[a:b):c:2]")]),
        ("[a:b:[c:d:2]]", [(2, "[a:b:c]"), (10, "[a:b:d]")]),
        ("[(a:[b:c:1]):d:2]", [(1, "(a:b)"), (2, "(a:c)"), (10, "d")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        (r"[a\:b:c:2]", [(2, r"a\:b"), (10, "c")]),
        ("a [b:c:2] \\", [(10, "a [b:c:2] \\")]),
        ("a\\\n[b:c:2]", [(10, "a\\\n[b:c:2]")]),
        ("[::2]", [(10, "")]),
        ("[2]", [(10, "[2]")]),
    ],
)
def test_brackets_as_a1111s_own_parser_draws_them(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert spans(prompt) == expected


LONG = 20_000


@pytest.mark.parametrize(
    "prompt",
    ["(" * LONG, "[" * LONG, "[a|" * LONG, " " * LONG, "(" * LONG + ")" * LONG, "[a:b:" + "1" * LONG,
     "[a|" * LONG + "]" * LONG, "[" * LONG + "a:1]" * LONG],
)  # fmt: skip
def test_a_long_prompt_takes_time_in_proportion_however_deep(prompt: str) -> None:
    """Each takes less than a second here; read in quadratic time they take a minute and more."""
    before = time.process_time()
    assert len(texts_by_step(prompt, 4)) == 4
    assert time.process_time() - before < 10


def test_alternation_takes_turns() -> None:
    assert texts_by_step("[a|(b:1.1)] x", 4) == ["a x", "(b:1.1) x", "a x", "(b:1.1) x"]
    assert texts_by_step("[a|b|]", 4) == ["a", "b", "", "a"]


def test_steps_of_a_second_pass_follow() -> None:
    assert spans("[a:b:0.5]", 4, 2) == [(2, "a"), (6, "b")]
    assert spans("[a:b:1.0]", 4, 2) == [(4, "a"), (6, "b")]
    assert spans("[a:b:1.5]", 4, 2) == [(5, "a"), (6, "b")]
    assert spans("[a:b:5]", 4, 2) == [(5, "a"), (6, "b")]
    assert spans("[a:b:1.4]", 4, 5) == [(5, "a"), (9, "b")]


def test_alternation_begins_anew_in_the_second_pass() -> None:
    assert texts_by_step("[a|b]", 3, 3) == ["a", "b", "a", "a", "b", "a"]


def test_and_is_refused_with_a_sentence() -> None:
    with pytest.raises(UserError, match="contains AND"):
        texts_by_step("a cat AND a dog", 10)
    assert texts_by_step("BRAND and SAND", 1) == ["BRAND and SAND"]
