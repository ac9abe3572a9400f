"""Which tags describe who a character is: those of the shipped lists, and those in nearly all its pictures.

What varies from picture to picture (pose, expression, background ...) is kept by lists of its own, whichever
rule would drop it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from pipeline.captions.patterns import Patterns
from pipeline.captions.text import same
from pipeline.captions.word_lists import word_list
from pipeline.config.schemas import FilterTags

WHO_IT_IS = ("general", "character", "copyright")
"""Categories in which the rules look: a rating or a quality word is nobody's own, however common."""
LEAST_PICTURES = 5
"""Of fewer pictures, a tag in all of them says little."""


@cache
def patterns(name: str) -> Patterns:
    """A shipped word list."""
    return Patterns(word_list(name))


@dataclass
class Occurrences:
    """In how many of a concept's pictures each tag was seen."""

    pictures: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, pictures: Iterable[Iterable[str]]) -> "Occurrences":
        found = cls()
        for names in pictures:
            found.add(names)
        return found

    def add(self, names: Iterable[str]) -> None:
        """One picture's tags."""
        self.pictures += 1
        self.counts.update({same(name) for name in names})

    def count(self, tag: str) -> int:
        return self.counts.get(same(tag), 0)


class Identity:
    """Says why a tag belongs to who the character is."""

    def __init__(self, config: FilterTags) -> None:
        self.share = config.identity_share
        self.lists = {name: patterns(f"identity/{name}") for name in dict.fromkeys(config.identity_lists)}
        self.kept = [Patterns(config.keep), *(patterns(f"keep/{name}") for name in config.keep_lists)]

    def reason(self, tag: str, occurrences: Occurrences) -> str | None:
        """The rule that drops the tag, None where it stays."""
        if any(kept.find(tag) for kept in self.kept):
            return None
        for name, listed in self.lists.items():
            if pattern := listed.find(tag):
                return f"identity {name} {pattern}"
        total, count = occurrences.pictures, occurrences.count(tag)
        if self.share is not None and total >= LEAST_PICTURES and count / total >= self.share:
            return f"identity_share {self.share:g}: in {count} of {total}"
        return None
