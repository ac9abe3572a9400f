"""Patterns of tags: `*` and `?` are wildcards, all other characters are literal."""

import re
from collections.abc import Iterable

from pipeline.captions.text import same, spaced
from pipeline.pictures.by_hand import glob


class Patterns:
    """Finds the pattern that matches a tag. Case is ignored, and underscores equal spaces; a pattern matches
    whole tags: `ring` does not match `earrings`. Results are cached: a set of pictures has few different
    tags.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.exact: dict[str, str] = {}
        self.wild: list[tuple[str, re.Pattern[str]]] = []
        self.cache: dict[str, str | None] = {}
        for pattern in patterns:
            name = same(spaced(pattern))
            if "*" in name or "?" in name:
                self.wild.append((pattern, glob(name)))
            self.exact.setdefault(name, pattern)

    def find(self, tag: str) -> str | None:
        """The pattern as written: an exact one, else the first with wildcards; None if no pattern matches."""
        name = same(tag)
        if name not in self.cache:
            wild = (pattern for pattern, matcher in self.wild if matcher.fullmatch(name))
            self.cache[name] = self.exact.get(name) or next(wild, None)
        return self.cache[name]
