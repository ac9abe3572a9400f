"""Patterns of modules' names in PEFT's settings: a stranger's regular expressions, matched with bounded work.

Accepted are letters, escaped signs, sets, `.`, one `*` or `+` after a sign, `?` after a sign, and choices
`(a|b)` that are not repeated. For such patterns the number of ways to match is known in advance.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from math import prod

SIGN = r"(?:\\[^a-zA-Z0-9]|\\[dwsDWS]|\[\^?\]?[^\]\[\\]*\]|[\w./^$\-])"
"""One sign of a name; `^` and `$` are none."""
FIXED = re.compile(rf"\^?(?P<body>(?:(?![$^]){SIGN})+)\$?", re.ASCII)
"""A pattern that matches only names of one length."""
TOKEN = re.compile(rf"\(\?:|[()|]|{SIGN}[*+?]?", re.ASCII)
WAYS_OF_REPETITION = 200
"""Lengths that one `*` can match: at most a name's."""
MOST_WORK = 6_000_000_000
"""For all patterns of a file with all its modules, in the units of `work`: a quarter of a nanosecond each."""


@lru_cache(4096)
def effort(text: str) -> int | None:
    """The most ways to match one module's name; None for a pattern that is not accepted."""
    tokens: list[str] = TOKEN.findall(text)
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return None
    repeated = sum(
        token[-1] in "*+" and len(token) > 1 and token[-2:] not in (r"\*", r"\+") for token in tokens
    )
    if "".join(tokens) != text or repeated > 1:
        return None
    optional = sum(len(token) > 1 and token[-1] == "?" and token != r"\?" for token in tokens)
    return _choices(tokens) * (1 << optional) * (WAYS_OF_REPETITION if repeated else 1)


def _choices(tokens: list[str]) -> int:
    """The product of the groups' numbers of alternatives."""
    counts, open_groups = list[int](), [1]
    for token in tokens:
        if token in ("(", "(?:"):
            open_groups.append(1)
        elif token == ")":
            counts.append(open_groups.pop())
        elif token == "|":
            open_groups[-1] += 1
    return prod(counts) * open_groups[0]


def work(texts: Iterable[str], modules: Iterable[str]) -> int:
    """The most work of matching each pattern with each module. A pattern of fixed length: a microsecond to
    start, and 25 ns per sign; others try all their ways from each dot on, along the name (measured on a CPU).
    """
    patterns = list(texts)
    widths = [width for text in patterns if (width := _width(text)) is not None]
    fixed = sum(4000 + 100 * width for width in widths)
    ways = sum(effort(text) or 0 for text in patterns if _width(text) is None)
    return sum(fixed + ways * (module.count(".") + 1) * len(module) for module in modules)


def matches_end(text: str, module: str) -> bool:
    """Like `re.match(rf"(.*\\.)?({text})$", module)`, PEFT's way; ends of fixed length are cut out."""
    width = _width(text)
    if width is None:
        return _compiled(rf"(.*\.)?({text})$").match(module) is not None
    start = len(module) - width
    if start < 0 or (start and (text[0] == "^" or module[start - 1] != ".")):
        return False
    return _compiled(text).fullmatch(module, start) is not None


@lru_cache(4096)
def _width(text: str) -> int | None:
    fixed = FIXED.fullmatch(text)
    return len(re.findall(SIGN, fixed["body"], re.ASCII)) if fixed else None


@lru_cache(4096)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(text)
