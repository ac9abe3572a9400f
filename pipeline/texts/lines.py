"""Captions of several lines: a tag a line, whole captions of which each showing draws one, or one caption
that an editor wrapped. Found from the lines themselves where the settings do not say.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from pipeline.texts.forms import is_prose
from pipeline.texts.gaps import has_gaps, is_doubtful, without_gaps
from pipeline.texts.separators import COMMAS, Separators
from pipeline.texts.wrapped import without_wraps

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


def as_written(text: str) -> str:
    """As `tidy`, but gaps between words and empty lines between paragraphs stay, for the reader to see."""
    return "\n".join(line.strip() for line in NEWLINES.sub("\n", text).split("\n")).strip("\n")


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
    parted: list[str] = field(default_factory=list)
    """Where tabs or several blanks part tags."""
    doubtful: list[str] = field(default_factory=list)
    """Where blanks may part tags."""

    def __call__(self, text: str, where: str) -> str:
        """One line, or alternatives, one a line."""
        plain = without_control_characters(text)
        if plain != text:
            self.cleaned.append(where)
        paragraphs = _paragraphs(self._without_gaps(as_written(plain), where))
        lines = [line for paragraph in paragraphs for line in paragraph]
        if len(lines) < 2:
            return "".join(lines)
        form = self.lines
        if form == "auto":
            lines = without_wraps(paragraphs, self.separators.mark)
            form = self.form(lines)
        self.forms[form] += 1
        return self._read(lines, form)

    def form(self, lines: list[str]) -> str:
        """What several lines are, after those of one text were joined."""
        if len(lines) < 2:
            return JOIN
        whole = sum(is_prose(line) or self.separators.is_in(line) for line in lines)
        return ALTERNATIVES if whole > 1 and 2 * whole > len(lines) else TAGS

    def _without_gaps(self, text: str, where: str) -> str:
        lines = text.split("\n")
        read = [
            without_gaps(line, self.separators) if has_gaps(line, self.separators) else line for line in lines
        ]
        if read != lines:
            self.parted.append(where)
        elif any(is_doubtful(line, self.separators) for line in lines):
            self.doubtful.append(where)
        return "\n".join(read)

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
        for places, sentence in (
            (self.cleaned, "control characters were removed from {}"),
            (self.parted, "tabs or several blanks part the tags of {}, and are read as {mark}"),
            (self.doubtful, "blanks seem to part tags in {}, and are kept; put {mark} between the tags"),
        ):
            if places:
                found = sentence.format(f"{len(places)} captions", mark=repr(self.separators.mark))
                told.append(f"{found}: {_some(places)}")
        return told


def _some(places: list[str]) -> str:
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return ", ".join(places[:SHOWN]) + more


def _paragraphs(text: str) -> list[list[str]]:
    """Lines with one blank between words, by what empty lines part."""
    blocks = re.split(r"\n\n+", text)
    found = [[" ".join(line.split()) for line in block.split("\n") if line.strip()] for block in blocks]
    return [lines for lines in found if lines]


def without_control_characters(text: str) -> str:
    """Without what no one can see: controls, marks of direction, halves of signs; blanks stay."""
    return INVISIBLE.sub("", "".join(sign for sign in text if _is_text(sign)))


def _is_text(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cs")
