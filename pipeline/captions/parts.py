"""A caption as a list of parts: the trigger, tags, sentences, and manual additions."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from pipeline.captions.budget import within
from pipeline.captions.tags import Added, Dropped, Tag
from pipeline.captions.text import escaped, same, underscored
from pipeline.schemas import FilterTagsConfig
from pipeline.texts.separators import TagPiece, separators_of

PartKind = Literal["trigger", "tag", "text", "hand", "verbatim"]
DROPPABLE: tuple[PartKind, ...] = ("tag", "text")
"""Kinds that a limit may drop, in this order. The trigger and manual additions stay."""


@dataclass(frozen=True)
class CaptionPart:
    """`text` is raw, except in a verbatim part. `origin`: where it is from; None for the tagger's tags."""

    text: str
    kind: PartKind
    origin: str | None = None
    score: float | None = None
    sureness: float = float("inf")
    """A limit drops the least sure first."""
    fixed: bool = False
    """A person wrote it: no limit drops it, and no equal part takes its place."""
    written: str | None = None
    section: int | None = None
    group: int = 0
    """As in a Tag."""


def of_tag(tag: Tag, fixed: bool = False) -> CaptionPart:
    return CaptionPart(
        tag.name, "tag", tag.origin, tag.score, tag.sureness,
        fixed=fixed, written=tag.written, section=tag.section, group=tag.group,
    )  # fmt: skip


def distinct_parts(parts: Iterable[CaptionPart]) -> list[CaptionPart]:
    """Removes equal parts: the trigger and a person's parts win, then the first; a person's sentence stays
    whole.
    """
    left, seen, listed = list[CaptionPart](), set[str](), list(parts)
    theirs = {same(part.text) for part in listed if part.fixed}
    for part in listed:
        name = same(part.text)
        is_sentence = part.fixed and part.kind == "text"
        is_theirs = part.fixed or part.kind == "trigger" or name not in theirs
        if is_sentence or (is_theirs and name not in seen):
            left.append(part)
            seen.add(name)
    return left


def render(parts: Sequence[CaptionPart], config: FilterTagsConfig) -> str:
    """The caption's text: underscores as configured, escapes last."""
    texts = [_rendered(part, config) for part in parts]
    for number, part in enumerate(parts[:-1]):
        if part.kind == "text":  # no full stop before a comma
            texts[number] = re.sub(r"(?<!\.)\.$", "", texts[number])
    pieces = [TagPiece(text, part.section, part.group) for text, part in zip(texts, parts, strict=True)]
    return separators_of(config).join(pieces)


def _rendered(part: CaptionPart, config: FilterTagsConfig) -> str:
    if part.kind == "verbatim":
        return part.text
    if part.written and config.escape:
        return part.written
    is_tag = part.kind in ("tag", "hand")
    text = underscored(part.text) if is_tag and config.underscores else part.text
    return escaped(text) if config.escape else text


def at_most(parts: Sequence[CaptionPart], num: int) -> tuple[list[CaptionPart], list[Dropped]]:
    """Drops the least sure tags (of equal ones the alphabetically last), then the last existing tags, then
    the last texts, until `num` parts are left or no more may be dropped.
    """
    can_go = _droppable(parts)
    scored = sorted((part for part in can_go if part.score is not None), key=attrgetter("text"), reverse=True)
    scored.sort(key=attrgetter("sureness"))
    waiting = scored + sorted((part for part in can_go if part.score is None), key=_rank)
    return _without(parts, waiting[: max(0, len(parts) - num)], f"max_tags {num}")


def within_budget(
    parts: Sequence[CaptionPart], config: FilterTagsConfig
) -> tuple[list[CaptionPart], list[Dropped]]:
    """Drops the last tags, then the last texts, until the caption has at most `max_tokens` tokens."""
    waiting = sorted(_droppable(parts), key=_rank)

    def fits(num: int) -> bool:
        return within(render(_left(parts, waiting[:num]), config), config.max_tokens)

    fewest = 0 if fits(0) else bisect_left(range(len(waiting) + 1), True, key=fits)
    return _without(parts, waiting[:fewest], f"max_tokens {config.max_tokens}")


def _rank(part: CaptionPart) -> int:
    return DROPPABLE.index(part.kind)


def _droppable(parts: Sequence[CaptionPart]) -> list[CaptionPart]:
    """From the last to the first."""
    return [part for part in reversed(parts) if part.kind in DROPPABLE and not part.fixed]


def _without(
    parts: Sequence[CaptionPart], going: Sequence[CaptionPart], rule: str
) -> tuple[list[CaptionPart], list[Dropped]]:
    return _left(parts, going), [Dropped(part.text, rule, part.score) for part in going]


def _left(parts: Sequence[CaptionPart], going: Sequence[CaptionPart]) -> list[CaptionPart]:
    """`going` holds some of these very parts."""
    gone = {id(part) for part in going}
    return [part for part in parts if id(part) not in gone]


def additions(parts: Sequence[CaptionPart]) -> list[Added]:
    """The parts that are not from the tagger."""
    return [Added(part.text, part.origin) for part in parts if part.origin is not None]
