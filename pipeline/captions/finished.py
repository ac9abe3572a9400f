"""A finished caption, and what became of the picture's existing one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from pipeline.captions.tags import Added, Dropped


@dataclass(frozen=True)
class Own:
    """What became of an existing caption: what the rules removed (manual edits do not count), identity tags
    that they spared, and whether it is longer than `max_tokens`.
    """

    is_text: bool
    lost: tuple[Dropped, ...] = ()
    spared: tuple[str, ...] = ()
    is_too_long: bool = False


@dataclass(frozen=True)
class Caption:
    """The text, its parts in order, each dropped tag with the rule that dropped it, and the parts without a
    score. Alternatives are separate lines.
    """

    text: str
    trigger: str | None
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    added: tuple[Added, ...]
    own: tuple[Own, ...] = ()
    """One for each existing alternative."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Captions of other kinds, side by side with `text`."""


def together(captions: Sequence[Caption]) -> Caption:
    """Alternatives of one picture as one caption."""
    if len(captions) == 1:
        return captions[0]
    kept = tuple(dict.fromkeys(chain.from_iterable(each.kept for each in captions)))
    dropped = dict.fromkeys(chain.from_iterable(each.dropped for each in captions))
    return Caption(
        text="\n".join(dict.fromkeys(each.text for each in captions)),
        trigger=captions[0].trigger,
        kept=kept,
        dropped=tuple(drop for drop in sorted_drops(dropped) if drop.tag not in kept),
        added=tuple(dict.fromkeys(chain.from_iterable(each.added for each in captions))),
        own=tuple(chain.from_iterable(each.own for each in captions)),
    )


def sorted_drops(dropped: Sequence[Dropped] | dict[Dropped, None]) -> list[Dropped]:
    return sorted(dropped, key=lambda drop: (drop.tag, drop.rule))
