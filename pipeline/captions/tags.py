"""A tag on its way from the tagger into the caption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.captions.text import same


@dataclass(frozen=True)
class Tag:
    """`name` is raw, with spaces; `score` is 0-1, None if not from a tagger. `origin`: where it is from; None
    for the tagger's own.
    """

    name: str
    score: float | None
    category: str = "general"
    origin: str | None = None
    implied_score: float = 0.0
    """Highest score of the tags that this one implies."""
    written: str | None = None
    """With its weight, as in the existing caption."""
    section: int | None = None
    group: int = 0
    """Position in that caption, as in a Piece."""

    @property
    def sureness(self) -> float:
        """For order and limits: a tag counts with the score of the tags it implies; what a person wrote is
        surer than any score.
        """
        return float("inf") if self.score is None else max(self.score, self.implied_score)


@dataclass(frozen=True)
class Dropped:
    """A tag that is not in the caption, and the rule that dropped it."""

    tag: str
    rule: str
    score: float | None


@dataclass(frozen=True)
class Added:
    """A part of the caption without a score, and where it is from."""

    tag: str
    rule: str


def family(rule: str) -> str:
    """`identity hair * hair` -> `identity`: the rule's kind."""
    return "caption" if rule.startswith("caption") else rule.split(" ", maxsplit=1)[0]


def sift(tags: Sequence[Tag], reason: Callable[[Tag], str | None]) -> tuple[list[Tag], list[Dropped]]:
    """Splits `tags` into those without a reason to drop them, and the dropped ones with their reason."""
    reasons = [(tag, reason(tag)) for tag in tags]
    kept = [tag for tag, rule in reasons if rule is None]
    return kept, [Dropped(tag.name, rule, tag.score) for tag, rule in reasons if rule is not None]


def surest_first(tags: Sequence[Tag]) -> list[Tag]:
    """By descending score, then alphabet."""
    return sorted(tags, key=lambda tag: (-tag.sureness, tag.name))


def distinct(tags: Sequence[Tag]) -> list[Tag]:
    """The surest of equal tags, at the position of the first."""
    best: dict[str, Tag] = {}
    for tag in tags:
        name = same(tag.name)
        if name not in best or tag.sureness > best[name].sureness:
            best[name] = tag
    return list(best.values())
