"""Prompts that change while a picture is drawn, in AUTOMATIC1111's grammar (modules/prompt_parser.py,
get_learned_conditioning_prompt_schedules). Pure, and linear in the prompt's length.

| written | means |
|---|---|
| `[from:to:when]` | `from` in the first `when` steps, then `to`; either may be empty |
| `[to:when]` | `to` after the first `when` steps |
| `[a\\|b\\|c]` | a, b, c, a ... in turn, one per step; a second pass starts with a again |

`when` is a number of steps or, with a decimal point, a share of them (0.5: half); `1e-1` has no point and is
less than one step, a negative number is before the first. With two passes the steps of the second follow the
first's; 1.5 is half of the second pass.

Other brackets stay as they are (they are weights, or just text). The whole prompt is plain text if a `|` is
outside of `[a|b]`, as in `[a|b:0.5]` or `(a|b)`, or if it ends in a single backslash.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pipeline.errors import UserError

_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_AND = re.compile(r"\bAND\b")
_TOKEN = re.compile(r"(?P<text>(?:[^\\\[\]():|]|\\.)+)|(?P<mark>[\[\]():|])")
_OPENING = {")": "(", "]": "["}


@dataclass(frozen=True)
class _Edited:
    """`before` up to step `when`, `after` from then on."""

    before: Sequence["_Fixed"]
    after: Sequence["_Fixed"]
    when: str

    def chosen(self, step: int, passes: "_Passes") -> Sequence["_Fixed"]:
        return self.before if passes.is_before(step, self.when) else self.after


@dataclass(frozen=True)
class _Alternating:
    """The options in turn."""

    options: Sequence[Sequence["_Fixed"]]

    def chosen(self, step: int, passes: "_Passes") -> Sequence["_Fixed"]:
        return self.options[(passes.in_its_pass(step) - 1) % len(self.options)]


_Fixed = str | _Edited | _Alternating
"""Text, or a part that depends on the step."""
_Part = _Fixed | list["_Part"]
"""The same, or a bracket that stays, with its parts."""


@dataclass(frozen=True)
class _Passes:
    """Steps of the first pass and of the second."""

    first: int
    second: int

    def is_before(self, step: int, when: str) -> bool:
        """Whether `step` is among the first `when` steps; each pass counts its own."""
        number, has_point, here = float(when), "." in when, self.in_its_pass(step)
        if step <= self.first:
            return here <= (number * self.first if has_point else number)
        return here <= ((number - 1) * self.second if has_point else number - self.first)

    def in_its_pass(self, step: int) -> int:
        return step if step <= self.first else step - self.first


@dataclass
class _Bracket:
    """An open bracket: its parts so far, in segments between `marks` (`:` and `|`)."""

    opening: str
    segments: list[list[_Part]] = field(default_factory=lambda: [[]])
    marks: str = ""

    def parts(self) -> Iterator[_Part]:
        """As written, without the closing bracket."""
        yield self.opening
        for segment, mark in zip(self.segments, [*self.marks, ""], strict=True):
            yield from segment
            yield mark

    def closed(self) -> _Part | None:
        """Its meaning; None if it is just text."""
        if self.opening == "(":
            return [*self.parts(), ")"] if self.marks in ("", ":") else None
        if not self.marks:
            return [*self.parts(), "]"]
        if "|" in self.marks:
            return None if ":" in self.marks else _Alternating([_flat(each) for each in self.segments])
        *texts, last = self.segments
        number = _NUMBER.fullmatch("".join(part for part in last if isinstance(part, str)))
        if len(texts) > 2 or number is None or not all(isinstance(part, str) for part in last):
            return None
        before, after = ([], *texts)[-2:]
        return _Edited(_flat(before), _flat(after), number[1])


def _flat(parts: Iterable[_Part]) -> list[_Fixed]:
    """Without lists, and with neighbouring texts joined; parts that depend on the step stay."""
    flat, rest = list[_Fixed](), [*reversed([*parts])]
    while rest:
        part = rest.pop()
        if isinstance(part, list):
            rest.extend(reversed(part))
        else:
            flat.append(part)
    runs = [(is_text, [*run]) for is_text, run in groupby(flat, key=lambda part: isinstance(part, str))]
    return [part for is_text, run in runs for part in (["".join(map(str, run))] if is_text else run)]


def texts_by_step(prompt: str, steps: int, second_steps: int = 0) -> list[str]:
    """The prompt's text in each step, the second pass's last. Raises UserError for `AND`."""
    if _AND.search(prompt):
        raise UserError(
            f"the prompt {prompt!r} contains AND, which joins several prompts elsewhere and is not supported"
            " here; write `and`, or draw the prompts separately"
        )
    parts = _parsed(prompt)
    if all(isinstance(part, str) for part in parts):
        return [prompt] * (steps + second_steps)
    passes = _Passes(steps, second_steps)
    return [_at_step(parts, step, passes) for step in range(1, steps + second_steps + 1)]


def _at_step(parts: Sequence[_Fixed], step: int, passes: _Passes) -> str:
    """The text in `step`, counted from 1."""
    texts, rest = [], [*reversed(parts)]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            texts.append(part)
        else:
            rest.extend(reversed(part.chosen(step, passes)))
    return "".join(texts)


def _parsed(prompt: str) -> list[_Fixed]:
    """The prompt's parts; one text if A1111's grammar does not parse it."""
    tokens = [*_TOKEN.finditer(prompt)]
    if sum(len(token[0]) for token in tokens) < len(prompt):
        return [prompt]
    outside, opened = _Bracket(""), list[_Bracket]()
    for token in tokens:
        _add(token[0], token.lastgroup == "text", outside, opened)
    _as_text(outside, opened)
    return [prompt] if "|" in outside.marks else _flat(outside.parts())


def _add(token: str, is_text: bool, outside: _Bracket, opened: list[_Bracket]) -> None:
    innermost = opened[-1] if opened else outside
    if is_text:
        innermost.segments[-1].append(token)
    elif token in "([":
        opened.append(_Bracket(token))
    elif token in ":|":
        innermost.segments.append([])
        innermost.marks += token
    else:
        whole = innermost.closed() if _OPENING[token] == innermost.opening else None
        if whole is None:
            _as_text(outside, opened)
            outside.segments[-1].append(token)
        else:
            opened.pop()
            (opened[-1] if opened else outside).segments[-1].append(whole)


def _as_text(outside: _Bracket, opened: list[_Bracket]) -> None:
    """Makes the open brackets plain text: everything inside a bracket must have a meaning."""
    for bracket in opened:
        outside.segments[-1].append(bracket.opening)
        first, *others = bracket.segments
        outside.segments[-1].extend(first)
        outside.segments.extend(others)
        outside.marks += bracket.marks
    opened.clear()
