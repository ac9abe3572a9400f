"""Weights in a prompt, in AUTOMATIC1111's grammar (modules/prompt_parser.py, parse_prompt_attention). Pure,
and linear in the prompt's length.

| written | means |
|---|---|
| `(word)` | weight 1.1 |
| `(word:1.2)` | weight 1.2 |
| `[word]` | weight 1/1.1 |
| `\\(`, `\\)`, `\\[`, `\\]`, `\\\\` | the character itself |
| `BREAK` | the rest starts a new chunk of 75 tokens |

Weights of nested brackets multiply; a bracket that is never closed reaches to the end. `BREAK` inside
weighted brackets starts no chunk: A1111 keeps it as a piece of weight -1, which the brackets multiply like
any other, and only -1 means a new chunk. In `(a BREAK b:1.2)` it is the word BREAK at weight -1.2.
"""

import re
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from pipeline.errors import UserError

ROUND, SQUARE = 1.1, 1 / 1.1
BREAK = "BREAK"
_BREAK_WEIGHT = -1.0
MAX_DEPTH = 100
"""Most brackets open at once; 1.1 to the power of 100 is 13 781."""
_TOKEN = re.compile(
    r"""\\(?P<escaped>[()\[\]\\])
    | (?P<lone>\\)
    | (?P<open>[(\[])
    | :\s*+(?P<weight>[+-]?(?:\d++(?:\.\d*+)?|\.\d++))\s*+\)
    | (?P<close>[)\]])
    | (?P<text>[^\\()\[\]:]++|:)""",
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(frozen=True)
class PromptPart:
    """Text with one weight; `BREAK` without a weight starts a new chunk."""

    text: str
    weight: float | None = 1.0


class _Pieces:
    """Texts and weights so far, and the starts of the brackets that are still open."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.weights: list[float] = []
        self.opened: dict[str, list[int]] = {"(": [], "[": []}

    def add(self, text: str, weight: float = 1.0) -> None:
        self.texts.append(text)
        self.weights.append(weight)

    def add_with_breaks(self, text: str) -> None:
        """Splits the text at BREAK, and drops the spaces around it."""
        first, *others = _BREAK.split(text)
        self.add(first.rstrip() if others else first)
        for number, other in enumerate(others, 1):
            self.add(BREAK, _BREAK_WEIGHT)
            self.add(other.strip() if number < len(others) else other.lstrip())

    def open(self, bracket: str) -> None:
        self.opened[bracket].append(len(self.texts))
        if sum(map(len, self.opened.values())) > MAX_DEPTH:
            raise UserError(
                f"a prompt nests more than {MAX_DEPTH} brackets; write the weight as a number,"
                r" (word:1.5), or \( for a bracket that is text"
            )

    def close(self, bracket: str, factor: float) -> None:
        """Multiplies the weights since the innermost bracket of this kind."""
        for place in range(self.opened[bracket].pop(), len(self.weights)):
            self.weights[place] *= factor

    def close_all(self) -> None:
        for bracket, factor in (("(", ROUND), ("[", SQUARE)):
            while self.opened[bracket]:
                self.close(bracket, factor)


def weighted_parts(prompt: str) -> list[PromptPart]:
    """The prompt's parts in order; neighbours of equal weight are one part, and an empty prompt has one empty
    part. Raises UserError for brackets nested too deep and for infinite weights.
    """
    pieces = _Pieces()
    for match in _TOKEN.finditer(prompt):
        kind = match.lastgroup
        if kind == "open":
            pieces.open(match["open"])
        elif kind == "weight" and pieces.opened["("]:
            pieces.close("(", float(match["weight"]))
        elif kind == "close" and pieces.opened[bracket := "(" if match["close"] == ")" else "["]:
            pieces.close(bracket, ROUND if bracket == "(" else SQUARE)
        elif kind == "escaped":
            pieces.add(match["escaped"])
        elif kind == "lone":
            pieces.add("")
        else:
            pieces.add_with_breaks(match[0])
    pieces.close_all()
    return _merged(pieces) or [PromptPart("")]


def _merged(pieces: _Pieces) -> list[PromptPart]:
    parts = []
    for weight, group in groupby(zip(pieces.weights, pieces.texts, strict=True), key=lambda piece: piece[0]):
        if not isfinite(weight):
            raise UserError(
                f"a prompt's weights multiply to {weight}; write smaller ones, such as (word:1.5)"
            )
        text = "".join(text for _, text in group)
        parts.append(PromptPart(text, None if (text, weight) == (BREAK, _BREAK_WEIGHT) else weight))
    return [part for part in parts if part.text]
