"""Pictures that are nearly the same: a perceptual hash, and groups of near ones. Arithmetic only."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_SIDE = 8
SAMPLE_SIDE_PX = 32


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits: which of the 8x8 lowest frequencies of the grey 32x32 copy lie above their median.

    pHash as the imagehash library has it (JohannesBuchner/imagehash: imagehash/__init__.py, phash); first
    frequency in the highest bit, so that its hexadecimal text is imagehash's.
    """
    gray = picture.convert("L").resize((SAMPLE_SIDE_PX, SAMPLE_SIDE_PX), Image.Resampling.LANCZOS)
    frequencies = cv2.dct(np.asarray(gray, np.float64))[:HASH_SIDE, :HASH_SIDE]
    # cv2's transform is orthonormal; imagehash's is not, so its zeroth row and column weigh sqrt(2) more.
    frequencies[0] *= np.sqrt(2)
    frequencies[:, 0] *= np.sqrt(2)
    bits = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_earlier(hashes: Sequence[int], max_bits: int) -> dict[int, list[tuple[int, int]]]:
    """Index -> the earlier pictures that differ in at most `max_bits`, each as (index, bits)."""
    codes: NDArray[np.uint64] = np.array(hashes, np.uint64)
    near = {}
    for index in range(1, len(codes)):
        bits = np.bitwise_count(codes[:index] ^ codes[index])
        if len(others := np.flatnonzero(bits <= max_bits)):
            near[index] = [(int(other), int(bits[other])) for other in others]
    return near


def groups(number: int, near: Mapping[int, Sequence[tuple[int, int]]]) -> list[int]:
    """For each of `number` pictures the index of the first of its group: those that chains of near pairs
    join.
    """
    first = list(range(number))

    def root(index: int) -> int:
        while first[index] != index:
            first[index] = index = first[first[index]]
        return index

    for index, others in near.items():
        for other, _ in others:
            low, high = sorted((root(other), root(index)))
            first[high] = low
    return [root(index) for index in range(number)]
