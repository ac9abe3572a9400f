"""Which pictures are kept out of training, to be measured. Pure.

A group of nearly equal pictures is kept out when the hash of its name falls into the wanted share: so a
picture that is added moves no other one to the other side, and none has its like there.
"""

from collections.abc import Sequence
from hashlib import sha256

from pipeline.training.data import Picture


def position(group: str) -> float:
    """0 to 1, by the name alone."""
    return int.from_bytes(sha256(group.encode()).digest()[:8]) / 2**64


def split(pictures: Sequence[Picture], share: float) -> tuple[list[Picture], list[Picture]]:
    """Those to train on, and those kept out: about `share` of each concept's groups, at least one and never
    all, so a concept of a single group keeps everything. Class pictures are always trained on.
    """
    groups: dict[str, set[str]] = {}
    for picture in pictures:
        if not picture.shown.is_class:
            groups.setdefault(picture.concept, set()).add(picture.group)
    aside = {group for names in groups.values() for group in _aside(names, share)}
    out = [picture for picture in pictures if not picture.shown.is_class and picture.group in aside]
    return [picture for picture in pictures if picture not in out], out


def _aside(groups: set[str], share: float) -> list[str]:
    if not share or len(groups) < 2:
        return []
    first, *others = sorted(groups, key=position)
    return [first, *(group for group in others[:-1] if position(group) < share)]
