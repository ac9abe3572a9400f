"""Weights in a prompt, in AUTOMATIC1111's grammar (modules/prompt_parser.py, parse_prompt_attention). Pure.

| written | means |
|---|---|
| `(word)` | weight 1.1 |
| `(word:1.2)` | weight 1.2 |
| `[word]` | weight 1/1.1 |
| `\\(`, `\\)`, `\\[`, `\\]`, `\\\\` | the character itself |
| `BREAK` | the rest begins a new chunk of 75 tokens |

Weights of nested brackets multiply; a bracket that is never closed reaches to the end.
"""

import re
from dataclasses import dataclass
from itertools import groupby

ROUND, SQUARE = 1.1, 1 / 1.1
BREAK = "BREAK"
_TOKEN = re.compile(
    r"""\\(?P<escaped>[()\[\]\\])
    | (?P<lone>\\)
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)
    | (?P<close>[)\]])
    | \s*\b(?P<break>BREAK)\b\s*
    | (?P<text>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Part:
    """A stretch of text with one weight; `BREAK` has no weight."""

    text: str
    weight: float | None = 1.0


def weighted_parts(prompt: str) -> list[Part]:
    """The prompt's parts in order; neighbours of one weight are one part. An empty prompt has one empty
    part.
    """
    pieces: list[Part] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in _TOKEN.finditer(prompt):
        kind = match.lastgroup
        if kind == "open":
            opened[match["open"]].append(len(pieces))
        elif kind == "weight" and opened["("]:
            _multiply(pieces, opened["("].pop(), float(match["weight"]))
        elif kind == "close" and opened["(" if match["close"] == ")" else "["]:
            bracket, factor = ("(", ROUND) if match["close"] == ")" else ("[", SQUARE)
            _multiply(pieces, opened[bracket].pop(), factor)
        elif kind == "break":
            pieces.append(Part(BREAK, None))
        elif kind != "lone":
            pieces.append(Part(match["escaped"] or match[0]))
    for start in opened["("]:
        _multiply(pieces, start, ROUND)
    for start in opened["["]:
        _multiply(pieces, start, SQUARE)
    return _merged(pieces) or [Part("")]


def _multiply(pieces: list[Part], start: int, factor: float) -> None:
    pieces[start:] = [
        Part(piece.text, None if piece.weight is None else piece.weight * factor) for piece in pieces[start:]
    ]


def _merged(pieces: list[Part]) -> list[Part]:
    merged: list[Part] = []
    for weight, group in groupby(pieces, key=lambda piece: piece.weight):
        alike = list(group)
        merged += alike if weight is None else [Part("".join(part.text for part in alike), weight)]
    return merged
