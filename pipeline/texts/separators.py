"""Splits and joins a caption's tags; all code of the project uses these two functions.

    zib, hat ||| red hat;;;blue bow, smile ||| best quality

splits at `,` (train.caption_separator); `|||` (keep_tokens_separator) ends the tags that stay in front and
begins those that stay at the end; `;;;` (secondary_separator) joins tags that are shuffled as one. A wildcard
`{red, blue|green}` and a weight `(smile, hat:1.2)` are never split. Full-width commas split like `,`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from typing import Protocol

FULL_WIDTH = {",": "\uff0c\u3001\ufe50\uff64\u060c", ";": "\uff1b\ufe54\u061b"}
"""Separators of other scripts."""
WHOLE_GROUP = r"(?P<whole>\{[^{}]*\}|\([^()]*\))"
WEIGHT_END = re.compile(r":\s*[+-]?[\d.]+\s*\)\Z")
FRONT, MIDDLE, END = 0, 1, 2


class Marks(Protocol):
    """The groups train and filter_tags."""

    @property
    def caption_separator(self) -> str: ...
    @property
    def keep_tokens_separator(self) -> str | None: ...
    @property
    def secondary_separator(self) -> str | None: ...


@dataclass(frozen=True)
class TagPiece:
    """A tag as written. `section` is FRONT, MIDDLE or END; None in a caption without section marks.
    Neighbours with the same `group` other than 0 are shuffled as one.
    """

    text: str
    section: int | None = None
    group: int = 0


@dataclass(frozen=True)
class Separators:
    """`tags` separates tags, `keep` sections, `group` the tags that are shuffled as one."""

    tags: str = ","
    keep: str | None = None
    group: str | None = None

    @cached_property
    def mark(self) -> str:
        """The separator of tags, without spaces around it."""
        return self.tags.strip() or self.tags

    @property
    def joiner(self) -> str:
        """The text between joined tags: `, `."""
        return self.mark if self.mark.isspace() else f"{self.mark} "

    def is_in(self, text: str) -> bool:
        """Whether the text would be split."""
        return len(self.pieces(text)) > 1 or bool(self.keep and self.keep in text)

    def pieces(self, text: str) -> list[TagPiece]:
        """Every tag, none of them empty."""
        pieces = list[TagPiece]()
        for number, piece in enumerate(self.whole_pieces(text), 1):
            members = piece.text.split(self.group) if self.group else [piece.text]
            names = [name.strip() for name in members if name.strip()]
            pieces += [TagPiece(name, piece.section, number if len(names) > 1 else 0) for name in names]
        return pieces

    def whole_pieces(self, text: str) -> list[TagPiece]:
        """As `pieces`, but tags that are shuffled as one stay one text."""
        sections = self._sections(text)
        is_marked = len(sections) > 1
        return [
            TagPiece(tag.strip(), min(number, END) if is_marked else None)
            for number, tags in enumerate(sections)
            for tag in tags
            if tag.strip()
        ]

    def names(self, text: str) -> list[str]:
        return [piece.text for piece in self.pieces(text)]

    def join(self, pieces: Iterable[TagPiece]) -> str:
        """The inverse of `pieces`; if some tags have a section, those without go into the middle."""
        listed = list(pieces)
        if self.keep is None or all(piece.section is None for piece in listed):
            return self._joined(listed)
        ends = max(piece.section or 0 for piece in listed)
        sections = [[p for p in listed if _section(p) == number] for number in range(max(MIDDLE, ends) + 1)]
        return f" {self.keep} ".join(map(self._joined, sections)).strip()

    def ungrouped(self, text: str) -> str:
        """The text with grouped tags as separate tags."""
        if not self.group or self.group not in text:
            return text
        return self.joiner.join(part.strip() for part in text.split(self.group))

    def _joined(self, pieces: Sequence[TagPiece]) -> str:
        runs = groupby(enumerate(pieces, 1), key=lambda each: each[1].group or -each[0])
        return self.joiner.join((self.group or self.joiner).join(p.text for _, p in run) for _, run in runs)

    def _sections(self, text: str) -> list[list[str]]:
        sections, start = [[""]], 0
        for kind, place, end in self._marks(text):
            sections[-1][-1] += text[start:place]
            if kind == "keep" and len(sections) <= END:
                sections.append([""])
            else:
                sections[-1].append("")
            start = end
        sections[-1][-1] += text[start:]
        return sections

    def _marks(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Kind and position of each mark, in one pass: the text may be long and from a stranger."""
        pattern, place = _pattern(self), 0
        while match := pattern.search(text, place):
            kind, place = match.lastgroup, match.end()
            if kind == "whole":
                is_one = "|" in match[0] if match[0][0] == "{" else WEIGHT_END.search(match[0])
                place = match.end() if is_one else match.start() + 1
            elif kind in ("keep", "tags"):
                yield str(kind), match.start(), match.end()


def _section(piece: TagPiece) -> int:
    return MIDDLE if piece.section is None else piece.section


@cache
def _pattern(separators: Separators) -> re.Pattern[str]:
    """The longest mark first: `;` is not found in `;;;`."""
    marks = {"keep": separators.keep, "group": separators.group, "tags": separators.mark}
    known = sorted(((text, kind) for kind, text in marks.items() if text), key=lambda each: -len(each[0]))
    ways = [f"(?P<{kind}>{'|'.join(map(re.escape, _ways(text)))})" for text, kind in known]
    return re.compile("|".join([WHOLE_GROUP, *ways]))


def _ways(mark: str) -> list[str]:
    """A mark, and its equivalents in other scripts."""
    return [mark, *FULL_WIDTH.get(mark, "")]


COMMAS = Separators()
"""Those of conf/."""


def separators_of(marks: Marks) -> Separators:
    return Separators(marks.caption_separator, marks.keep_tokens_separator, marks.secondary_separator)
