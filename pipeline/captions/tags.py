"""A tag on its way from the tagger into the caption, and what becomes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.captions.text import same


@dataclass(frozen=True)
class Tag:
    """`name` is raw, with spaces; `score` 0-1, None where no tagger gave it. `origin` says where it is from,
    None for the tagger's own.
    """

    name: str
    score: float | None
    category: str = "general"
    origin: str | None = None
    stands_for: float = 0.0
    """Highest score of the tags that this one makes superfluous."""
    written: str | None = None
    """With its weight, as the caption that came along has it."""
    section: int | None = None
    group: int = 0
    """Places in that caption, as a Piece has them."""

    @property
    def sureness(self) -> float:
        """For order and limits: a tag is not last where it stands for one that was first; what a person wrote
        is surer than any score.
        """
        return float("inf") if self.score is None else max(self.score, self.stands_for)


@dataclass(frozen=True)
class Dropped:
    """A tag that is not in the caption, and the rule that dropped it."""

    tag: str
    rule: str
    score: float | None


@dataclass(frozen=True)
class Added:
    """A part of the caption that no score gave, and where it is from."""

    tag: str
    rule: str


def family(rule: str) -> str:
    """`identity hair * hair` -> `identity`: the rule without what it named."""
    return "caption" if rule.startswith("caption") else rule.split(" ", maxsplit=1)[0]


def sift(tags: Sequence[Tag], reason: Callable[[Tag], str | None]) -> tuple[list[Tag], list[Dropped]]:
    """Parts `tags` into those without a reason to drop them, and the others with it."""
    reasons = [(tag, reason(tag)) for tag in tags]
    kept = [tag for tag, rule in reasons if rule is None]
    return kept, [Dropped(tag.name, rule, tag.score) for tag, rule in reasons if rule is not None]


def surest_first(tags: Sequence[Tag]) -> list[Tag]:
    """By falling score, ties by the alphabet."""
    return sorted(tags, key=lambda tag: (-tag.sureness, tag.name))


def distinct(tags: Sequence[Tag]) -> list[Tag]:
    """The surest of equal tags, in the place of the first."""
    best: dict[str, Tag] = {}
    for tag in tags:
        name = same(tag.name)
        if name not in best or tag.sureness > best[name].sureness:
            best[name] = tag
    return list(best.values())
