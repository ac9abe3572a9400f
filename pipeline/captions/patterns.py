"""Tag patterns as users write them: `*` and `?` are wildcards, everything else is itself."""

import re
from collections.abc import Iterable
from functools import cache

from pipeline.captions.text import same, spaced


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """`*` stands for any text, `?` for one character; brackets stand for themselves."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


class Patterns:
    """Finds the pattern that names a tag. Underscores and spaces are one, capital and small letters too; a
    pattern names whole tags: `ring` does not name `earrings`.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.exact: dict[str, str] = {}
        self.wild: list[tuple[str, re.Pattern[str]]] = []
        for pattern in patterns:
            name = same(spaced(pattern))
            if "*" in name or "?" in name:
                self.wild.append((pattern, glob(name)))
            self.exact.setdefault(name, pattern)

    def find(self, tag: str) -> str | None:
        """The pattern as it was written: an exact one, else the first with wildcards; None where none
        names the tag.
        """
        name = same(tag)
        if exact := self.exact.get(name):
            return exact
        return next((pattern for pattern, matcher in self.wild if matcher.fullmatch(name)), None)
