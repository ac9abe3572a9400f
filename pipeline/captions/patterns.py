"""Patterns of tags: `*` and `?` are wildcards, everything else is itself."""

import re
from collections.abc import Iterable

from pipeline.captions.text import same, spaced
from pipeline.pictures.by_hand import glob


class Patterns:
    """Finds the pattern that names a tag. Underscores and spaces are one, capital and small letters too; a
    pattern names whole tags: `ring` does not name `earrings`. Answers are remembered: a set of pictures has
    few different tags.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.exact: dict[str, str] = {}
        self.wild: list[tuple[str, re.Pattern[str]]] = []
        self.found: dict[str, str | None] = {}
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
        if name not in self.found:
            wild = (pattern for pattern, matcher in self.wild if matcher.fullmatch(name))
            self.found[name] = self.exact.get(name) or next(wild, None)
        return self.found[name]
