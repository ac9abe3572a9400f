"""The grammar of the filter field: `tag:hat -tag:"* hair" (verdict:warn or tags:<5) not edited`.

Terms next to each other must all hold. Nothing that is typed is an error: what is no term is searched for in
ids and captions, a bracket too many is left out. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

FIELDS = (
    "tag", "dropped", "caption", "id", "concept", "verdict", "check", "tags", "tokens", "score", "side",
    "near",
)  # fmt: skip
FLAGS = ("edited", "masked", "leftout", "class")
MOST_FILTER_DEPTH = 100
WORD = re.compile(r"""\s*(?:(?P<bracket>[()])|(?P<word>(?:"[^"]*"?|[^\s()"])+))""")
COMPARISON = re.compile(r"(?P<name>.*?)(?P<sign><=|>=|<|>|=)(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\Z")


@dataclass(frozen=True)
class Term:
    """`field` is one of FIELDS or FLAGS, or `text`."""

    field: str
    value: str = ""


@dataclass(frozen=True)
class Not:
    inner: "Filter"


@dataclass(frozen=True)
class All:
    """Every part holds; without parts, everything."""

    parts: tuple["Filter", ...] = ()


@dataclass(frozen=True)
class OneOf:
    parts: tuple["Filter", ...]


Filter = Term | Not | All | OneOf


def parsed(text: str) -> Filter:
    """The filter of a text."""
    return _Reader(list(_tokens(text))).whole()


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while match := WORD.match(text, place):
        place = match.end()
        yield match["bracket"] or match["word"]


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place, self.depth = tokens, 0, 0

    def whole(self) -> Filter:
        parts = [self._any()]
        while self.place < len(self.tokens):
            self.place += 1  # a closing bracket too many
            parts.append(self._any())
        full = tuple(part for part in parts if part != All())
        return full[0] if len(full) == 1 else All(full)

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._next() == "or":
            self.place += 1
            parts.append(self._all())
        full = tuple(part for part in parts if part != All())
        return full[0] if len(full) == 1 else OneOf(full) if full else All()

    def _all(self) -> Filter:
        parts = list[Filter]()
        while (token := self._next()) not in (None, ")", "or"):
            if token == "and":
                self.place += 1
            elif (part := self._one()) != All():
                parts.append(part)
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Filter:
        negations = 0
        while self._next() == "not":
            self.place += 1
            negations += 1
        token = self._next()
        if token in (None, ")", "or", "and"):
            return All()
        self.place += 1
        inner = self._group() if token == "(" else term(str(token))
        return Not(inner) if negations % 2 and inner != All() else inner

    def _group(self) -> Filter:
        if self.depth >= MOST_FILTER_DEPTH:
            return All()
        self.depth += 1
        inner = self._any()
        self.depth -= 1
        if self._next() == ")":
            self.place += 1
        return inner

    def _next(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None


def term(word: str) -> Filter:
    """One word: each `-` in front negates it."""
    dashes = min(len(word) - len(word.lstrip("-")), len(word) - 1)
    inner = _bare_term(word[dashes:])
    return Not(inner) if dashes % 2 else inner


def _bare_term(word: str) -> Filter:
    field, colon, value = word.partition(":")
    if colon and field.lower() in FIELDS and value:
        return Term(field.lower(), value.replace('"', ""))
    if word.lower() in FLAGS:
        return Term(word.lower())
    return Term("text", word.replace('"', ""))
