"""Expectations are AUTOMATIC1111's own examples, and cases worked out by hand."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.prompts.weights import BREAK, PromptPart, weighted_parts

W = 1.1


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", W), (" word", 1)]),
        ("(unbalanced", [("unbalanced", W)]),
        (r"\(literal\]", [("(literal]", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", W)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1), ("house", 1.3 * W * W), (" ", W), ("on", 1), (" a ", W), ("hill", 0.5 * W),
                (", sun, ", W), ("sky", W**4), (".", W),
            ],
        ),
        ("[a]", [("a", 1 / W)]),
        ("[[a", [("a", 1 / W / W)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(a:-1)", [("a", -1)]),
        ("a:1.2)", [("a:1.2)", 1)]),
        ("10:30 (a:b)", [("10:30 ", 1), ("a:b", W)]),
        ("a) b]", [("a) b]", 1)]),
        (r"zib \(toy\), \\", [("zib (toy), \\", 1)]),
        ("a\\b", [("ab", 1)]),
        ("(a", [("a", W)]),
        ("", [("", 1)]),
        ("()", [("", 1)]),
    ],
)  # fmt: skip
def test_weights_by_hand(prompt: str, parts: list[tuple[str, float]]) -> None:
    found = weighted_parts(prompt)
    assert [part.text for part in found] == [text for text, _ in parts]
    assert [part.weight for part in found] == pytest.approx([weight for _, weight in parts])


def test_break_stands_alone_whatever_is_around_it() -> None:
    gap = PromptPart(BREAK, None)
    assert weighted_parts("a, BREAK b") == [PromptPart("a,"), gap, PromptPart("b")]
    assert weighted_parts("(a BREAK b:1)") == [PromptPart("a"), gap, PromptPart("b")]
    assert weighted_parts("a BREAK BREAK b") == [PromptPart("a"), gap, gap, PromptPart("b")]
    assert weighted_parts("aBREAK BREAKs") == [PromptPart("aBREAK BREAKs")]


def test_break_in_brackets_with_a_weight_is_the_word_break_as_a1111_draws_it() -> None:
    """A1111's piece ["BREAK", -1] is multiplied like its neighbours, and -1.2 opens no chunk."""
    assert weighted_parts("(a BREAK b:1.2)") == [
        PromptPart("a", 1.2),
        PromptPart(BREAK, -1.2),
        PromptPart("b", 1.2),
    ]
    assert weighted_parts("(a BREAK b)") == [PromptPart("a", W), PromptPart(BREAK, -W), PromptPart("b", W)]
    assert weighted_parts("[(a BREAK b)]") == [PromptPart("a"), PromptPart(BREAK, None), PromptPart("b")]
    assert weighted_parts("(a BREAK b:0)") == [PromptPart("aBREAKb", 0)]
    assert weighted_parts("x (BREAK y") == [PromptPart("x "), PromptPart(BREAK, -W), PromptPart("y", W)]


def test_brackets_too_deep_and_weights_beyond_numbers_are_refused() -> None:
    (part,) = weighted_parts("(" * 100 + "a")
    assert part.text == "a"
    assert part.weight == pytest.approx(13780.6123)
    with pytest.raises(UserError, match="more than 100 brackets"):
        weighted_parts("([" * 51)
    with pytest.raises(UserError, match="multiply to inf"):
        weighted_parts(f"(a:{'9' * 400})")


LONG = 20_000


@pytest.mark.parametrize(
    "prompt",
    [" " * LONG, ":" + "1" * LONG, ": " * LONG, ":" + " " * LONG, " " * LONG + "BREAK", "BREAK " * LONG,
     "\\" * LONG, "(" * 99 + "a(b)" * LONG],
)  # fmt: skip
def test_a_long_prompt_takes_time_in_proportion(prompt: str) -> None:
    """Each takes less than a second here; read in quadratic time they take a minute and more."""
    before = time.process_time()
    assert weighted_parts(prompt)
    assert time.process_time() - before < 10


@given(st.text(alphabet="ab ,()[]\\:1.2\n", max_size=30))
def test_any_prompt_has_parts_of_its_own_characters(prompt: str) -> None:
    parts = weighted_parts(prompt)
    assert parts
    rest = iter(prompt)
    assert all(character in rest for part in parts for character in part.text)


@given(st.text(max_size=40).filter(lambda text: BREAK not in text))
def test_an_escaped_prompt_is_plain_text(text: str) -> None:
    escaped = "".join(f"\\{c}" if c in "()[]\\" else c for c in text)
    assert weighted_parts(escaped) == [PromptPart(text)]
