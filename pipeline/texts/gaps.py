"""Tags separated by tabs or several spaces instead of commas: `1girl  solo  smile`."""

import re

from pipeline.texts.forms import is_prose
from pipeline.texts.separators import Separators

GAP_PATTERN = re.compile(r"[^\S\n]*\t[^\S\n]*|[^\S\n]{2,}")
UNDERSCORED = re.compile(r"[^\W_]_[^\W_]")
FEWEST_UNDERSCORED = 2


def has_gaps(line: str, separators: Separators) -> bool:
    """Whether only gaps separate the tags; a single gap of two spaces may be a typo."""
    gaps = GAP_PATTERN.findall(line.strip())
    is_clear = len(gaps) > 1 or "\t" in "".join(gaps)
    return is_clear and not separators.is_in(line) and not is_prose(" ".join(line.split()))


def without_gaps(line: str, separators: Separators) -> str:
    """The line with separators in place of gaps."""
    return separators.joiner.join(GAP_PATTERN.split(line.strip()))


def is_doubtful(line: str, separators: Separators) -> bool:
    """Whether tags contain gaps, or single spaces seem to separate a booru's tags."""
    tags, words = separators.names(line), line.split()
    if is_prose(" ".join(words)):
        return False
    num_underscored = sum(bool(UNDERSCORED.search(word)) for word in words)
    is_row = len(tags) == 1 < len(words) and num_underscored >= FEWEST_UNDERSCORED
    return is_row or any(GAP_PATTERN.search(tag) for tag in tags)
