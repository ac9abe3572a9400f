"""Which kind of caption a step shows: drawn by weight, `train.caption_kinds`. Pure.

A picture without a kind shares that kind's weight among its others; one that has none of the kinds, as a
class picture, keeps its usual caption.
"""

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from random import Random

from pipeline.errors import UserError, nearest
from pipeline.schemas import TrainConfig
from pipeline.schemas.tag import USUAL_KIND


def shown_kinds(caption: str, others: Mapping[str, str], config: TrainConfig) -> dict[str, str]:
    """The captions of a picture that may be shown, by kind. caption: the usual one."""
    every = {USUAL_KIND: caption, **others}
    return {kind: every[kind] for kind in config.caption_kinds if kind in every} or {USUAL_KIND: caption}


def drawn_kind(kinds: Iterable[str], config: TrainConfig, random: Random) -> str:
    """One of a picture's kinds, by weight."""
    listed = list(kinds)
    return _at(listed, config, random.random()) if len(listed) > 1 else listed[0]


def kind_of_variant(kinds: Iterable[str], config: TrainConfig, number: int, picture: str) -> str:
    """The kind of one of the picture's variants, which divide by weight: of 4 variants 3 are tags by
    `{tags: 3, sentence: 1}`. Where they do not divide, the picture decides which kind has one more.
    """
    listed, variants = list(kinds), config.caption_variants or 1
    if len(listed) == 1:
        return listed[0]
    return _at(listed, config, (number + Random(f"{picture}/kinds").random()) / variants)


def heaviest_kind(kinds: Iterable[str], config: TrainConfig) -> str:
    """The kind that is shown most often, the first of equal ones."""
    return max(kinds, key=lambda kind: config.caption_kinds.get(kind, 1.0))


def _at(kinds: Sequence[str], config: TrainConfig, place: float) -> str:
    """The kind at this place of 0..1, where each has a length by its weight."""
    ends = list(accumulate(config.caption_kinds[kind] for kind in kinds))
    return kinds[min(bisect(ends, place * ends[-1]), len(kinds) - 1)]


def insist_on_kinds(pictures: Iterable[Mapping[str, str]], config: TrainConfig) -> None:
    """A kind that no caption has is a user error. pictures: each one's captions of other kinds."""
    found = {USUAL_KIND, *(kind for kinds in pictures for kind in kinds)}
    if unknown := [
        f"train.caption_kinds.{kind}: no caption is of this kind; {nearest(kind, sorted(found))}; let"
        " tag.captioner write it (tag.captioner_kinds), or remove it"
        for kind in config.caption_kinds
        if kind not in found
    ]:
        raise UserError(*unknown)
