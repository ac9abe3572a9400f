"""Captions of several lines: a tag a line, whole captions of which each showing draws one, or one caption
that an editor wrapped. Found from the lines themselves where the settings do not say.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from pipeline.captions.forms import STOPS, is_prose
from pipeline.captions.separators import COMMAS, Separators

ALTERNATIVES, TAGS, JOIN, FIRST = "alternatives", "tags", "join", "first"
IN_WORDS = {
    ALTERNATIVES: "as alternatives, one drawn a showing",
    TAGS: "as a tag a line",
    JOIN: "as one caption over several lines",
}
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
NEWLINES = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
SHOWN = 3


def tidy(text: str) -> str:
    """Lines without blanks around them, none of them empty; one blank between words."""
    lines = (" ".join(line.split()) for line in NEWLINES.sub("\n", text).split("\n"))
    return "\n".join(line for line in lines if line)


def alternatives(caption: str | None) -> list[str]:
    """The captions of a picture, of which each showing draws one; one in most cases."""
    return (caption or "").split("\n")


@dataclass
class CaptionReader:
    """Reads captions as they came, and counts what it did to them."""

    lines: str = "auto"
    separators: Separators = COMMAS
    forms: Counter[str] = field(default_factory=Counter)
    """Captions of several lines by what they were taken for."""
    cleaned: list[str] = field(default_factory=list)
    """Where control characters were removed."""

    def __call__(self, text: str, where: str) -> str:
        """One line, or alternatives, one a line."""
        plain = without_control_characters(text)
        if plain != text:
            self.cleaned.append(where)
        lines = [line for line in alternatives(tidy(plain)) if line]
        if len(lines) < 2:
            return "".join(lines)
        form = self.form(lines) if self.lines == "auto" else self.lines
        self.forms[form] += 1
        return self._read(lines, form)

    def form(self, lines: list[str]) -> str:
        """What several lines are."""
        if _is_wrapped(lines, self.separators.mark):
            return JOIN
        whole = sum(is_prose(line) or self.separators.is_in(line) for line in lines)
        return ALTERNATIVES if whole > 1 and 2 * whole > len(lines) else TAGS

    def _read(self, lines: list[str], form: str) -> str:
        if form == TAGS:
            return self.separators.joiner.join(line.rstrip(f" {self.separators.mark}") for line in lines)
        if form == JOIN:
            return " ".join(lines)
        return lines[0] if form == FIRST else "\n".join(dict.fromkeys(lines))

    def told(self) -> list[str]:
        """What a person should know of it."""
        told = []
        if self.lines == "auto" and self.forms:
            ways = ", ".join(f"{number} {IN_WORDS[form]}" for form, number in sorted(self.forms.items()))
            told.append(f"captions of several lines are read {ways}; collect.caption_lines sets one way")
        if self.cleaned:
            more = f" and {len(self.cleaned) - SHOWN} more" if len(self.cleaned) > SHOWN else ""
            names = ", ".join(self.cleaned[:SHOWN])
            told.append(f"control characters were removed from {len(self.cleaned)} captions: {names}{more}")
        return told


def without_control_characters(text: str) -> str:
    """Without what no one can see: controls, marks of direction, halves of signs; blanks stay."""
    return INVISIBLE.sub("", "".join(sign for sign in text if _is_text(sign)))


def _is_text(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cs")


def _is_wrapped(lines: list[str], mark: str) -> bool:
    """Every line but the last ends with a comma; or a sentence begins with a capital and goes on in small
    letters.
    """
    if all(line.endswith(mark) for line in lines[:-1]):
        return True
    ends = [line.endswith(STOPS) for line in lines[:-1]]
    goes_on = [after[0].islower() for after in lines[1:]]
    is_one = all(end or on for end, on in zip(ends, goes_on, strict=True)) and not all(ends)
    return is_one and lines[0][0].isupper() and is_prose(" ".join(lines))
