"""What is kept of each picture while all are judged, some hundred bytes, and what pictures have in common by
it: names, bytes, looks. Arithmetic only.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.files.hashing import sha256_of_bytes
from pipeline.pictures import similarity

Traits = NDArray[Any]
"""Of DTYPE, a row a picture, in their order."""
Numbers = NDArray[np.int64]
Pairs = dict[int, tuple[int, ...]]
"""Later picture -> the earlier one that it is held against and, of looks, how many bits differ."""
DTYPE = np.dtype(
    [
        ("name", "V16"),
        ("sha256", "V32"),
        ("mask_sha256", "V32"),
        ("look", np.uint64),
        ("width_px", np.uint32),
        ("height_px", np.uint32),
        ("gravity", np.uint8),
        ("is_read", bool),
        ("is_left", bool),
    ]
)
"""`name`: hash of the id without case; `look`: perceptual hash; `gravity`: place of the verdict in GRAVITY;
`is_left`: not dropped. Hashes that are not there are zeros.
"""
NO_HASH = np.void(bytes(32))


def name_hash(picture_id: str) -> bytes:
    """Equal for ids that a person, or a system that folds case, takes for one."""
    return bytes.fromhex(sha256_of_bytes(picture_id.casefold().encode())[:32])


def equals(keys: Traits, among: Numbers) -> Pairs:
    """Each later one of those with equal keys, and the first; among the pictures of these numbers."""
    _, first, which = np.unique(keys[among], return_index=True, return_inverse=True)
    earlier = first[which]
    later = np.flatnonzero(earlier != np.arange(len(among)))
    return dict(zip(among[later].tolist(), zip(among[earlier[later]].tolist()), strict=True))


def likenesses(traits: Traits, among: Numbers, max_bits: int) -> tuple[Pairs, dict[int, int]]:
    """Each picture that looks like an earlier one, and the one that it looks most like; and for each that is
    not the first of its group, that one. Equal bytes are in a group too, but are told as copies.
    """
    near = similarity.near_earlier(traits["look"][among], max_bits)
    copies = equals(traits["sha256"], among)
    most: Pairs = {}
    for index, others in near.items():
        if (number := int(among[index])) not in copies:
            other, bits = min(others, key=lambda pair: pair[::-1])
            most[number] = (int(among[other]), bits)
    groups = similarity.groups(near)
    return most, {int(among[index]): int(among[first]) for index, first in groups.items()}
