"""Whether several lines of a caption are one text: a sentence that an editor wrapped, or paragraphs of prose.

The seam between two lines decides. A line that ends in `the`, or one that begins with `of`, continues the
text; one that begins with `She` follows the line before; whole captions begin alike (`a woman ...`,
`a girl ...`).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from pipeline.texts.forms import ARTICLES, STOPS, is_prose

Seam = Literal["joined", "sentence", "open", "apart"]
OPEN = frozenset([
    "a", "an", "the", "of", "in", "on", "at", "with", "and", "or", "to", "for", "from", "by", "into", "onto",
    "near", "behind", "under", "over", "between", "beside", "her", "his", "their", "its", "is", "are", "was",
    "were", "has", "have", "who", "which", "that", "while", "as", "she", "he", "they", "it", "very",
    "wearing", "holding", "carrying", "having", "showing",
])  # fmt: skip
"""No caption ends with these."""
GOES_ON = frozenset([
    "of", "in", "on", "at", "with", "and", "or", "to", "for", "from", "by", "into", "onto", "near", "behind",
    "under", "over", "between", "beside", "next", "above", "below", "while", "as", "who", "which", "that",
    "where", "is", "are", "was", "were", "has", "have", "looking", "standing", "sitting", "wearing",
    "holding",
])  # fmt: skip
"""Captions hardly ever begin with these."""
BEGINS = frozenset([
    "a", "an", "the", "one", "two", "three", "this", "there", "some", "many", "photo", "photograph",
    "picture", "image", "portrait", "drawing", "painting", "illustration", "closeup", "close-up",
    "woman", "man", "girl", "boy", "person", "people",
])  # fmt: skip
"""Captions begin with these."""
REFERS = frozenset(["she", "he", "they", "it", "her", "his", "their", "its"])
"""They refer to something named before."""
LEAST_WORDS = 3
"""Of a continued line without any of these words; fewer may be a tag."""
LEAST_WIDTH = 50
"""Characters; editors do not wrap narrower."""


def without_wraps(paragraphs: Sequence[Sequence[str]], mark: str) -> list[str]:
    """The lines; lines of one text are joined by a space. `mark` separates tags."""
    texts = [[" ".join(lines)] if _is_wrapped(lines, mark) else [*lines] for lines in paragraphs]
    are_whole = len(texts) > 1 and all(len(lines) == 1 and is_prose(lines[0]) for lines in texts)
    if are_whole and _follow([line for lines in texts for line in lines]):
        return [" ".join(line for lines in texts for line in lines)]
    lines = [line for lines in texts for line in lines]
    is_one_list = len(lines) > 1 and all(line.endswith(mark) for line in lines[:-1])
    return [" ".join(lines)] if is_one_list else lines


def _follow(paragraphs: Sequence[str]) -> bool:
    """Whether each paragraph continues the text: sentences do, captions without a full stop do not."""
    return all(
        before.endswith(STOPS) or _first(after) in REFERS | {"the"} for before, after in pairwise(paragraphs)
    )


def _is_wrapped(lines: Sequence[str], mark: str) -> bool:
    if len(lines) < 2:
        return False
    if all(line.endswith(mark) for line in lines[:-1]):
        return True
    whole, width = " ".join(lines), max(map(len, lines))
    seams = [_seam(before, after, mark, width) for before, after in pairwise(lines)]
    if "apart" in seams or not is_prose(whole):
        return False
    if lines[0][0].isupper():
        refers = _first(lines[0]) in REFERS
        return "open" in seams or ("joined" in seams and not (refers and "sentence" in seams))
    ends_alone = lines[-1].endswith(STOPS) and not any(line.endswith(STOPS) for line in lines[:-1])
    goes_on = _first(lines[0]) in BEGINS and all(
        _first(line) not in BEGINS and len(line.split()) >= LEAST_WORDS for line in lines[1:]
    )
    is_sentence = not ARTICLES.isdisjoint(whole.lower().split()) or lines[-1].endswith(STOPS)
    return is_sentence and len(lines[0].split()) > 1 and ("joined" in seams or ends_alone or goes_on)


def _seam(before: str, after: str, mark: str, width: int) -> Seam:
    """The seam between two lines of a text `width` characters wide."""
    first = _first(after)
    if before.endswith((mark, "-")) or _last(before) in OPEN or (after[0].islower() and first in GOES_ON):
        return "joined"
    if before.endswith(STOPS):
        return "joined" if first in REFERS and _first(before) not in REFERS else "sentence"
    if not after[0].islower():
        return "apart"
    is_full = width >= LEAST_WIDTH and len(before) + 1 + len(first) > width
    return "joined" if is_full and first not in BEGINS else "open"


def _first(line: str) -> str:
    return line.split(maxsplit=1)[0].lower().strip("\"'(,.:;")


def _last(line: str) -> str:
    return line.rsplit(maxsplit=1)[-1].lower().strip("\"')")
