"""Expectations are AUTOMATIC1111's own examples; its documentation counts `when` as the steps of the first
text.
"""

import pytest

from pipeline.errors import UserError
from pipeline.sampling.prompt_steps import texts_by_step


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


def test_alternation_takes_turns() -> None:
    assert texts_by_step("[a|(b:1.1)] x", 4) == ["a x", "(b:1.1) x", "a x", "(b:1.1) x"]
    assert texts_by_step("[a|b|]", 4) == ["a", "b", "", "a"]


def test_steps_of_a_second_pass_follow() -> None:
    assert spans("[a:b:0.5]", 4, 2) == [(2, "a"), (6, "b")]
    assert spans("[a:b:1.0]", 4, 2) == [(4, "a"), (6, "b")]
    assert spans("[a:b:1.5]", 4, 2) == [(5, "a"), (6, "b")]
    assert spans("[a:b:5]", 4, 2) == [(5, "a"), (6, "b")]


def test_and_is_refused_with_a_sentence() -> None:
    with pytest.raises(UserError, match="holds AND"):
        texts_by_step("a cat AND a dog", 10)
    assert texts_by_step("BRAND and SAND", 1) == ["BRAND and SAND"]
