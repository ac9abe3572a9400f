"""What validation keeps in memory of each picture, 67 bytes (99 with masks), and comparisons of all pictures
by it: names, bytes, perceptual hashes. Arithmetic only.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.files.hashing import sha256_of_bytes
from pipeline.pictures import similarity

Hashes = NDArray[np.void]
PictureNumbers = NDArray[np.int64]
Pairs = dict[int, tuple[int, ...]]
"""Later picture -> the earlier one that it is compared with and, for perceptual hashes, the differing bits.
"""
NO_HASH = np.void(bytes(32))


class PictureTraits:
    """One array per trait, with one element per picture."""

    def __init__(self, number: int) -> None:
        self.name = np.zeros(number, "V16")
        """Hash of the id, ignoring case."""
        self.sha256, self.mask_sha256 = np.zeros(number, "V32"), np.zeros(number, "V32")
        self.phash = np.zeros(number, np.uint64)
        """The perceptual hash."""
        self.width_px, self.height_px = np.zeros(number, np.uint32), np.zeros(number, np.uint32)
        self.severity = np.zeros(number, np.uint8)
        """Index of the verdict in GRAVITY."""
        self.is_read, self.is_left = np.zeros(number, bool), np.ones(number, bool)
        """`is_left`: not dropped."""


def name_hash(picture_id: str) -> np.void:
    """Equal for ids that differ only in case."""
    return hash_of(sha256_of_bytes(picture_id.casefold().encode())[:32])


def hash_of(digits: str) -> np.void:
    """The hash from its hexadecimal digits."""
    return np.void(bytes.fromhex(digits))


def equals(hashes: Hashes, among: PictureNumbers) -> Pairs:
    """Each later picture with an equal hash, and the first one; among pictures of these numbers. The first
    128 bits decide: different pictures never share them.
    """
    high, low, *_ = hashes.view(np.uint64).reshape(len(hashes), hashes.itemsize // 8).T
    order = among[np.lexsort((low[among], high[among]))]
    is_first = np.ones(len(order), bool)
    for half in (high, low):
        is_first[1:] &= half[order[1:]] == half[order[:-1]]
    is_first[1:] = ~is_first[1:]
    first = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    return dict(zip(order[~is_first].tolist(), zip(first[~is_first].tolist()), strict=True))


def likenesses(traits: PictureTraits, among: PictureNumbers, max_bits: int) -> tuple[Pairs, dict[int, int]]:
    """Each picture similar to an earlier one, with the most similar one; and for every picture that is not
    the first of its group, the first. Equal files are in a group too, but are reported as copies.
    """
    near = similarity.near_earlier(traits.phash[among], max_bits)
    copies = equals(traits.sha256, among)
    most: Pairs = {}
    for index, others in near.items():
        if (number := int(among[index])) not in copies:
            other, bits = min(others, key=lambda pair: pair[::-1])
            most[number] = (int(among[other]), bits)
    groups = similarity.groups(near)
    return most, {int(among[index]): int(among[first]) for index, first in groups.items()}
