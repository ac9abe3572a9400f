"""Chooses the pictures held out of training for validation. Pure.

Whole groups of nearly equal pictures are held out, by the hash of the group's name: adding a picture moves no
other, and no training picture has a near copy among the held-out ones.
"""

from collections.abc import Sequence
from hashlib import sha256

from pipeline.training.data import Picture


def position(group: str) -> float:
    """0 to 1, from the name alone."""
    return int.from_bytes(sha256(group.encode()).digest()[:8]) / 2**64


def split(pictures: Sequence[Picture], share: float) -> tuple[list[Picture], list[Picture]]:
    """Training pictures and held-out ones: about `share` of each concept's groups, at least one, never all; a
    concept with a single group holds nothing out. Class pictures are always trained on.
    """
    groups: dict[str, set[str]] = {}
    for picture in pictures:
        if not picture.shown.is_class:
            groups.setdefault(picture.concept, set()).add(picture.group)
    held_out = {group for names in groups.values() for group in _held_out(names, share)}
    out = [picture for picture in pictures if not picture.shown.is_class and picture.group in held_out]
    return [picture for picture in pictures if picture not in out], out


def _held_out(groups: set[str], share: float) -> list[str]:
    if not share or len(groups) < 2:
        return []
    first, *others = sorted(groups, key=position)
    return [first, *(group for group in others[:-1] if position(group) < share)]
