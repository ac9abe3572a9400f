"""The shipped word lists: one pattern per line, `#` starts a comment line."""

from functools import cache
from importlib.resources import files


@cache
def word_list(name: str) -> tuple[str, ...]:
    """Lines of lists/<name>.txt in the file's order."""
    text = (files("pipeline.captions") / "lists" / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def pairs(name: str) -> list[tuple[str, str]]:
    """Lines `left > right` of a list."""
    return [(left, right) for left, _, right in (line.partition(" > ") for line in word_list(name))]
