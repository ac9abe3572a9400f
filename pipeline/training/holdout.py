"""Which pictures are kept out of training, to be measured. Pure.

A group of nearly equal pictures is kept out when the hash of its name falls into the wanted share: so a
picture that is added moves no other one to the other side, and none has its like there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class Member:
    """What the split needs to know of a picture."""

    id: str
    concept: str
    group: str
    is_class: bool


def position(group: str) -> float:
    """0 to 1, by the name alone."""
    return int.from_bytes(sha256(group.encode()).digest()[:8]) / 2**64


def held_out(pictures: Sequence[Member], share: float) -> set[str]:
    """Ids of the pictures kept out, about `share` of each concept's groups: at least one and never all, so a
    concept of a single group keeps everything. Class pictures are always trained on.
    """
    chosen: set[str] = set()
    concepts: dict[str, set[str]] = {}
    for picture in pictures:
        if not picture.is_class:
            concepts.setdefault(picture.concept, set()).add(picture.group)
    for groups in concepts.values() if share else ():
        if len(groups) > 1:
            first, *others = sorted(groups, key=position)
            chosen |= {first, *(group for group in others[:-1] if position(group) < share)}
    return {picture.id for picture in pictures if not picture.is_class and picture.group in chosen}
