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
from math import isfinite

from pipeline.errors import UserError
from pipeline.sampling.products import Products

ROUND, SQUARE = 1.1, 1 / 1.1
BREAK = "BREAK"
_TOKEN = re.compile(
    r"""\\(?P<escaped>[()\[\]\\])
    | (?P<lone>\\)
    | (?P<open>[(\[])
    | :\s*+(?P<weight>[+-]?(?:\d++(?:\.\d*+)?|\.\d++))\s*+\)
    | (?P<close>[)\]])
    | \s*+\b(?P<break>BREAK)\b\s*+
    | (?P<text>\s++|[^\\()\[\]:\sB]++|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Part:
    """A stretch of text with one weight; `BREAK` has no weight."""

    text: str
    weight: float | None = 1.0


@dataclass(frozen=True)
class _Range:
    """Pieces `start` to `stop` are weighted by `factor`."""

    start: int
    stop: int
    factor: float


def weighted_parts(prompt: str) -> list[Part]:
    """The prompt's parts in order; neighbours of one weight are one part. An empty prompt has one empty
    part. Raises UserError where weights multiply to no finite number.
    """
    pieces, ranges = _read(prompt)
    weights = _weights(len(pieces), ranges)
    if not all(map(isfinite, weights)):
        raise UserError(
            f"the prompt {prompt[:60]!r} ... has weights that multiply to no finite number; write fewer"
            " brackets, or smaller weights"
        )
    return _merged(pieces, weights) or [Part("")]


def _read(prompt: str) -> tuple[list[str | None], list[_Range]]:
    """Texts (None: BREAK), and what weights them in the order in which brackets close."""
    pieces, ranges = list[str | None](), list[_Range]()
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in _TOKEN.finditer(prompt):
        kind = match.lastgroup
        if kind == "open":
            opened[match["open"]].append(len(pieces))
        elif kind == "weight" and opened["("]:
            ranges.append(_Range(opened["("].pop(), len(pieces), float(match["weight"])))
        elif kind == "close" and opened["(" if match["close"] == ")" else "["]:
            bracket, factor = ("(", ROUND) if match["close"] == ")" else ("[", SQUARE)
            ranges.append(_Range(opened[bracket].pop(), len(pieces), factor))
        elif kind == "break":
            pieces.append(None)
        elif kind != "lone":
            pieces.append(match["escaped"] or match[0])
    ranges += [_Range(start, len(pieces), ROUND) for start in opened["("]]
    ranges += [_Range(start, len(pieces), SQUARE) for start in opened["["]]
    return pieces, ranges


def _weights(count: int, ranges: list[_Range]) -> list[float]:
    """Of each piece: the product of its ranges' factors, in their order."""
    changes: dict[int, list[tuple[int, bool]]] = {}
    for place, each in enumerate(ranges):
        changes.setdefault(each.start, []).append((place, True))
        changes.setdefault(each.stop, []).append((place, False))
    products, found = Products([each.factor for each in ranges]), list[float]()
    for number in range(count):
        for place, starts in changes.get(number, ()):
            products.switch(place, starts)
        found.append(products.product() if number in changes or not found else found[-1])
    return found


def _merged(pieces: list[str | None], weights: list[float]) -> list[Part]:
    merged: list[Part] = []
    weighted = [
        (text, None if text is None else weight) for text, weight in zip(pieces, weights, strict=True)
    ]
    for weight, group in groupby(weighted, key=lambda piece: piece[1]):
        texts = [BREAK if text is None else text for text, _ in group]
        merged += [Part(BREAK, None)] * len(texts) if weight is None else [Part("".join(texts), weight)]
    return merged
