"""Prompts that change while a picture is drawn, in AUTOMATIC1111's grammar (modules/prompt_parser.py). Pure.

| written | means |
|---|---|
| `[from:to:when]` | `from` in the first `when` steps, then `to`; either may be empty |
| `[to:when]` | `to` after the first `when` steps |
| `[a\\|b\\|c]` | a, b, c, a ... in turn, another in each step |

`when` is a number of steps, or, written with a point, a share of them (0.5: half). In a drawing with two
passes the steps of the second follow those of the first; 1.5 is half of the second pass.
"""

import re
from collections.abc import Iterator

from pipeline.errors import UserError

_NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*")
_AND = re.compile(r"\bAND\b")


def texts_by_step(prompt: str, steps: int, second_steps: int = 0) -> list[str]:
    """What the prompt says in each step, those of the second pass last. Raises UserError for `AND`."""
    if _AND.search(prompt):
        raise UserError(
            f"the prompt {prompt!r} holds AND, which joins several prompts elsewhere and is not done here;"
            " write `and`, or draw the prompts apart"
        )
    if "[" not in prompt:
        return [prompt] * (steps + second_steps)
    return [_at_step(prompt, step, (steps, second_steps)) for step in range(1, steps + second_steps + 1)]


def _at_step(text: str, step: int, passes: tuple[int, int]) -> str:
    """The text as it stands in `step`, counted from 1."""
    found, position = [], 0
    while position < len(text):
        length = 2 if text[position] == "\\" else 1
        if text[position] == "[" and (end := _closing(text, position)):
            found.append(_chosen(text[position + 1 : end], step, passes))
            length = end + 1 - position
        else:
            found.append(text[position : position + length])
        position += length
    return "".join(found)


def _chosen(inside: str, step: int, passes: tuple[int, int]) -> str:
    """What a bracket with `inside` stands for; one that changes nothing stays a bracket (it is a weight)."""
    *texts, last = _split(inside, ":")
    if len(texts) in (1, 2) and (number := _NUMBER.fullmatch(last)):
        before, after = ("", *texts)[-2:]
        return _at_step(before if step <= _when(number[1], passes) else after, step, passes)
    if len(options := _split(inside, "|")) > 1:
        return _at_step(options[(step - 1) % len(options)], step, passes)
    return f"[{_at_step(inside, step, passes)}]"


def _when(number: str, passes: tuple[int, int]) -> int:
    """The last step of the first text."""
    if "." not in number:
        return int(number)
    share = float(number)
    return int(share * passes[0]) if share <= 1 else passes[0] + int((share - 1) * passes[1])


def _closing(text: str, start: int) -> int | None:
    """Where the square bracket that opens at `start` closes."""
    depth = 0
    for position, character in _unescaped(text, start):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth == 0:
            return position
    return None


def _split(text: str, separator: str) -> list[str]:
    """At separators outside of all brackets."""
    depth, cuts = 0, [-1]
    for position, character in _unescaped(text):
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(character, 0)
        if depth == 0 and character == separator:
            cuts.append(position)
    return [text[a + 1 : b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _unescaped(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Characters by position, without those behind a backslash."""
    return ((match.start(), match[0]) for match in re.compile(r"\\.|.", re.DOTALL).finditer(text, start))
