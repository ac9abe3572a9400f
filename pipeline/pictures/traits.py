"""What is held of each picture while all are judged, 67 bytes (99 where there are masks), and what pictures
have in common by it: names, bytes, looks. Arithmetic only.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.files.hashing import sha256_of_bytes
from pipeline.pictures import similarity

Hashes = NDArray[np.void]
Numbers = NDArray[np.int64]
Pairs = dict[int, tuple[int, ...]]
"""Later picture -> the earlier one that it is held against and, of looks, how many bits differ."""
NO_HASH = np.void(bytes(32))


class Traits:
    """An array a trait, with a place for each picture."""

    def __init__(self, number: int) -> None:
        self.name = np.zeros(number, "V16")
        """Of the id without case."""
        self.sha256, self.mask_sha256 = np.zeros(number, "V32"), np.zeros(number, "V32")
        self.look = np.zeros(number, np.uint64)
        """The perceptual hash."""
        self.width_px, self.height_px = np.zeros(number, np.uint32), np.zeros(number, np.uint32)
        self.gravity = np.zeros(number, np.uint8)
        """Place of the verdict in GRAVITY."""
        self.is_read, self.is_left = np.zeros(number, bool), np.ones(number, bool)
        """`is_left`: not dropped."""


def name_hash(picture_id: str) -> np.void:
    """Equal for ids that a person, or a system that folds case, takes for one."""
    return hash_of(sha256_of_bytes(picture_id.casefold().encode())[:32])


def hash_of(digits: str) -> np.void:
    """Of hexadecimal digits."""
    return np.void(bytes.fromhex(digits))


def equals(hashes: Hashes, among: Numbers) -> Pairs:
    """Each later one of those with equal hashes, and the first; among the pictures of these numbers. The
    first 128 bits decide: no two different pictures have them in common.
    """
    high, low, *_ = hashes.view(np.uint64).reshape(len(hashes), hashes.itemsize // 8).T
    order = among[np.lexsort((low[among], high[among]))]
    is_first = np.ones(len(order), bool)
    for half in (high, low):
        is_first[1:] &= half[order[1:]] == half[order[:-1]]
    is_first[1:] = ~is_first[1:]
    first = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    return dict(zip(order[~is_first].tolist(), zip(first[~is_first].tolist()), strict=True))


def likenesses(traits: Traits, among: Numbers, max_bits: int) -> tuple[Pairs, dict[int, int]]:
    """Each picture that looks like an earlier one, and the one that it looks most like; and for each that is
    not the first of its group, that one. Equal bytes are in a group too, but are told as copies.
    """
    near = similarity.near_earlier(traits.look[among], max_bits)
    copies = equals(traits.sha256, among)
    most: Pairs = {}
    for index, others in near.items():
        if (number := int(among[index])) not in copies:
            other, bits = min(others, key=lambda pair: pair[::-1])
            most[number] = (int(among[other]), bits)
    groups = similarity.groups(near)
    return most, {int(among[index]): int(among[first]) for index, first in groups.items()}
