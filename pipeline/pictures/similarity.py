"""Near duplicates: a perceptual hash, and groups of similar pictures. Arithmetic only."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_SIDE = 8
HASH_BITS = HASH_SIDE**2
SAMPLE_SIDE_PX = 32
MIN_BAND_BITS = 8
AT_ONCE = 1 << 14
"""Codes compared in one array operation: more would take memory and save no time."""
Codes = NDArray[np.uint64]


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits: which of the 8x8 lowest frequencies of the grey 32x32 copy are above their median.

    pHash as in the imagehash library (JohannesBuchner/imagehash: imagehash/__init__.py, phash); first
    frequency in the highest bit, so that its hexadecimal text is imagehash's.
    """
    gray = picture.convert("L").resize((SAMPLE_SIDE_PX, SAMPLE_SIDE_PX), Image.Resampling.LANCZOS)
    frequencies = cv2.dct(np.asarray(gray, np.float64))[:HASH_SIDE, :HASH_SIDE]
    # cv2's transform is orthonormal; imagehash's is not, so its zeroth row and column weigh sqrt(2) more.
    frequencies[0] *= np.sqrt(2)
    frequencies[:, 0] *= np.sqrt(2)
    bits = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_earlier(hashes: Codes, max_bits: int) -> dict[int, list[tuple[int, int]]]:
    """Index -> earlier pictures that differ in at most `max_bits`, each as (index, bits). Of pictures with
    equal hashes, only the first is compared with others; the later ones refer only to it.
    """
    codes, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which] != np.arange(len(which)))
    near = {
        later: [(leader, 0)]
        for later, leader in zip(again.tolist(), first[which[again]].tolist(), strict=True)
    }
    leaders = np.sort(first)
    for earlier, later, bits in near_pairs(codes[np.argsort(first)], max_bits):
        near.setdefault(int(leaders[later]), []).append((int(leaders[earlier]), bits))
    return dict(sorted(near.items()))


def near_pairs(codes: Codes, max_bits: int) -> list[tuple[int, int, int]]:
    """All pairs of different codes that differ in at most `max_bits`, as (index, later index, bits), by the
    later one.

    Codes are cut into max_bits + 1 bands: two that differ in max_bits have one band in common, so only those
    with an equal band are compared (Manku et al. 2007; Norouzi et al. 2012). With bands of fewer than
    MIN_BAND_BITS that saves nothing, and all pairs are compared.
    """
    num = max_bits + 1 if HASH_BITS // (max_bits + 1) >= MIN_BAND_BITS else 1
    edges = [HASH_BITS * band // num for band in range(num + 1)]
    by_band = [_in_band(codes, low, high if num > 1 else low, max_bits) for low, high in pairwise(edges)]
    pairs = np.unique(np.concatenate(by_band), axis=0)
    bits = np.bitwise_count(codes[pairs[:, 0]] ^ codes[pairs[:, 1]])
    return [(a, b, n) for (b, a), n in zip(pairs.tolist(), bits.tolist(), strict=True)]


def _in_band(codes: Codes, low: int, high: int, max_bits: int) -> NDArray[np.int64]:
    """Pairs [number, 2] of near codes whose bits from `low` up to `high` are equal; the later index first."""
    band = (codes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(band, kind="stable")
    band = band[order]
    ends = np.searchsorted(band, band, side="right")
    pairs = [np.empty((0, 2), np.int64)]
    for start in range(0, len(codes), AT_ONCE):
        left = np.arange(start, min(start + AT_ONCE, len(codes)))
        for step in range(1, len(codes)):
            left = left[left + step < ends[left]]
            if not len(left):
                break
            earlier, later = order[left], order[left + step]
            near = np.bitwise_count(codes[earlier] ^ codes[later]) <= max_bits
            pairs.append(np.stack([later[near], earlier[near]], axis=1))
    return np.concatenate(pairs)


def groups(near: Mapping[int, Sequence[tuple[int, int]]]) -> dict[int, int]:
    """The first of the group, for every other picture in it; chains of near pairs form a group."""
    first: dict[int, int] = {}

    def root(index: int) -> int:
        while (before := first.get(index)) is not None:
            first[index] = first.get(before, before)
            index = before
        return index

    for index, others in near.items():
        for other, _ in others:
            low, high = sorted((root(other), root(index)))
            if low != high:
                first[high] = low
    return {index: root(index) for index in sorted(first)}
