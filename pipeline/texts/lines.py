"""Reads captions of several lines: one tag per line, alternative captions (one is drawn each time), or one
caption that an editor wrapped. Guesses which, unless the settings say.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from pipeline.texts.forms import is_prose
from pipeline.texts.gaps import has_gaps, is_doubtful, without_gaps
from pipeline.texts.separators import COMMAS, Separators
from pipeline.texts.wrapped import without_wraps

ALTERNATIVES, TAG_LINES, JOIN, FIRST = "alternatives", "tags", "join", "first"
IN_WORDS = {
    ALTERNATIVES: "as alternatives, drawn at random",
    TAG_LINES: "as one tag per line",
    JOIN: "as one caption over several lines",
}
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
NEWLINES = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
MOST_LINES_SHOWN = 3


def tidy(text: str) -> str:
    """Trims the lines, drops empty ones, leaves one space between words."""
    lines = (" ".join(line.split()) for line in NEWLINES.sub("\n", text).split("\n"))
    return "\n".join(line for line in lines if line)


def as_written(text: str) -> str:
    """As `tidy`, but keeps gaps between words and empty lines between paragraphs, which have a meaning."""
    return "\n".join(line.strip() for line in NEWLINES.sub("\n", text).split("\n")).strip("\n")


def alternatives(caption: str | None) -> list[str]:
    """A picture's alternative captions, one of which is drawn each time; mostly one."""
    return (caption or "").split("\n")


@dataclass
class CaptionReader:
    """Reads captions, and counts what it changed."""

    lines: str = "auto"
    separators: Separators = COMMAS
    forms: Counter[str] = field(default_factory=Counter)
    """Captions of several lines, by how they were read."""
    cleaned: list[str] = field(default_factory=list)
    """Captions that lost control characters."""
    parted: list[str] = field(default_factory=list)
    """Captions with tabs or several spaces between tags."""
    doubtful: list[str] = field(default_factory=list)
    """Captions in which single spaces may separate tags."""

    def __call__(self, text: str, where: str) -> str:
        """One line, or alternatives on separate lines."""
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
        """How several lines are read, after wrapped ones were joined."""
        if len(lines) < 2:
            return JOIN
        whole = sum(is_prose(line) or self.separators.is_in(line) for line in lines)
        return ALTERNATIVES if whole > 1 and 2 * whole > len(lines) else TAG_LINES

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
        if form == TAG_LINES:
            return self.separators.joiner.join(line.rstrip(f" {self.separators.mark}") for line in lines)
        if form == JOIN:
            return " ".join(lines)
        return lines[0] if form == FIRST else "\n".join(dict.fromkeys(lines))

    def notes(self) -> list[str]:
        """What the user should know."""
        notes = []
        if self.lines == "auto" and self.forms:
            ways = ", ".join(f"{number} {IN_WORDS[form]}" for form, number in sorted(self.forms.items()))
            notes.append(f"captions of several lines were read {ways}; collect.caption_lines sets one way")
        for places, sentence in (
            (self.cleaned, "control characters were removed from {}"),
            (self.parted, "tabs or several spaces separate the tags of {}; they were read as {mark}"),
            (self.doubtful, "spaces seem to separate the tags of {}; put {mark} between the tags"),
        ):
            if places:
                note = sentence.format(f"{len(places)} captions", mark=repr(self.separators.mark))
                notes.append(f"{note}: {_some(places)}")
        return notes


def _some(places: list[str]) -> str:
    more = f" and {len(places) - MOST_LINES_SHOWN} more" if len(places) > MOST_LINES_SHOWN else ""
    return ", ".join(places[:MOST_LINES_SHOWN]) + more


def _paragraphs(text: str) -> list[list[str]]:
    """Lines with one space between words, grouped by empty lines."""
    blocks = re.split(r"\n\n+", text)
    groups = [[" ".join(line.split()) for line in block.split("\n") if line.strip()] for block in blocks]
    return [lines for lines in groups if lines]


def without_control_characters(text: str) -> str:
    """Removes invisible characters: controls, direction marks, lone surrogates; spaces stay."""
    return INVISIBLE.sub("", "".join(sign for sign in text if _is_text(sign)))


def _is_text(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cs")
