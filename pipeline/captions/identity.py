"""Tags that describe who a character is: those of the shipped lists, and those in nearly all its pictures.

Other lists protect what varies from picture to picture (pose, expression, background ...) from both rules.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from pipeline.captions.patterns import Patterns
from pipeline.captions.text import same
from pipeline.captions.word_lists import word_list
from pipeline.schemas import FilterTagsConfig

WHO_IT_IS = ("general", "character", "copyright")
"""Categories that the rules check: a rating or a quality word describes nobody, however common."""
LEAST_PICTURES = 5
"""With fewer pictures, a tag that is in all of them means little."""


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
        made = cls()
        for names in pictures:
            made.add(names)
        return made

    def add(self, names: Iterable[str]) -> None:
        """One picture's tags."""
        self.pictures += 1
        self.counts.update({same(name) for name in names})

    def count(self, tag: str) -> int:
        return self.counts.get(same(tag), 0)


class Identity:
    """Decides which tags describe the character, and why."""

    def __init__(self, config: FilterTagsConfig) -> None:
        self.share = config.identity_share
        self.lists = {name: patterns(f"identity/{name}") for name in dict.fromkeys(config.identity_lists)}
        self.listed = dict[str, tuple[bool, str | None]]()
        self.kept = [Patterns(config.keep), *(patterns(f"keep/{name}") for name in config.keep_lists)]

    def reason(self, tag: str, occurrences: Occurrences) -> str | None:
        """The rule that drops the tag; None if it stays."""
        if tag not in self.listed:
            self.listed[tag] = self._listed(tag)
        is_kept, listed = self.listed[tag]
        if is_kept or listed:
            return listed
        total, count = occurrences.pictures, occurrences.count(tag)
        if self.share is not None and total >= LEAST_PICTURES and count / total >= self.share:
            return f"identity_share {self.share:g}: in {count} of {total}"
        return None

    def _listed(self, tag: str) -> tuple[bool, str | None]:
        """Whether a list keeps the tag; the list that drops it."""
        if any(kept.find(tag) for kept in self.kept):
            return True, None
        found = ((name, listed.find(tag)) for name, listed in self.lists.items())
        return False, next((f"identity {name} {pattern}" for name, pattern in found if pattern), None)
