"""Orders of pictures. What a picture's pixels say comes from the measures that `collect` has stored."""

import json
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from pipeline.store.items import Items, key
from pipeline.workbench.pictures import VERDICT_ORDER, PictureIndex

ORDERS = ("id", "verdict", "size", "sharpness", "brightness", "likeness", "tags", "random")
NEAR_BITS = 12
"""Pictures that differ in at most this many of 64 bits are near each other."""
MOST_COMPARED = 6
MOST_CHAINED = 12_000
"""A chain by likeness compares all with all; larger sets are sorted by their hash."""
RowsByNumber = Mapping[int, Mapping[str, Any]]


def measured(index: PictureIndex) -> dict[int, Mapping[str, Any]]:
    """By number, what `collect` measured of each picture's original; without those that it never saw."""
    from pipeline.pictures.measures import VERSION  # loads OpenCV

    items, found, known = Items("collect"), dict[int, Mapping[str, Any]](), dict[str, Any]()
    for number, picture in enumerate(index.pictures):
        digest = picture.original
        if digest not in known:
            names = (key(version=VERSION, picture=digest, faces=faces) for faces in (False, True))
            data = next((data for name in names if (data := items.get(f"{name}.json"))), None)
            known[digest] = json.loads(data) if data else None
        if known[digest]:
            found[number] = known[digest]
    return found


def in_order(
    numbers: Iterable[int], order: str, index: PictureIndex, counts: Mapping[str, int], seed: int = 0
) -> list[int]:
    """`counts`: tags by picture id."""
    plain = sorted(numbers)
    pictures = index.pictures
    if order == "verdict":
        return sorted(plain, key=lambda number: VERDICT_ORDER.index(pictures[number].verdict))
    if order == "size":
        return sorted(plain, key=lambda number: _area(index, number))
    if order == "tags":
        return sorted(plain, key=lambda number: counts.get(pictures[number].id, 0))
    if order == "random":
        Random(seed).shuffle(plain)
    if order in ("sharpness", "brightness"):
        found = measured(index)
        return sorted(plain, key=lambda number: found.get(number, {}).get(order, float("inf")))
    return _chain(plain, index) if order == "likeness" else plain


def _area(index: PictureIndex, number: int) -> int:
    picture = index.pictures[number]
    width, height = picture.made[0] if picture.made else (picture.width_px, picture.height_px)
    return width * height


def _hashes(index: PictureIndex) -> dict[int, int]:
    return {number: int(values["perceptual_hash"]) for number, values in measured(index).items()}


def near_numbers(index: PictureIndex, picture_id: str) -> list[int]:
    """Pictures like this one, the most similar first, with itself."""
    number = index.numbers.get(picture_id)
    if number is None:
        return []
    hashes = _hashes(index)
    if number not in hashes:
        return [number]
    far = {other: (hashes[number] ^ code).bit_count() for other, code in hashes.items()}
    return sorted((other for other, bits in far.items() if bits <= NEAR_BITS), key=lambda n: (far[n], n))


def near_copies(index: PictureIndex, number: int) -> list[dict[str, Any]]:
    """Pictures like this one with it in front, and which of them is the best by size, then sharpness."""
    values = measured(index)
    numbers = near_numbers(index, index.pictures[number].id)[:MOST_COMPARED]
    found = [(each, index.pictures[each], values.get(each, {}).get("sharpness")) for each in numbers]
    best = max(found, key=lambda item: (_area(index, item[0]), item[2] or 0.0, -item[0]))[0]
    rows = list[dict[str, Any]]()
    for each, picture, sharpness in found:
        width, height = picture.made[0] if picture.made else (picture.width_px, picture.height_px)
        rows.append(
            {"number": each, "width": width, "height": height, "sharpness": sharpness, "best": each == best}
        )
    return rows


def _chain(numbers: Sequence[int], index: PictureIndex) -> list[int]:
    """Each picture is followed by the one most like it of those that are left."""
    import numpy as np

    hashes = _hashes(index)
    known = [number for number in numbers if number in hashes]
    rest = [number for number in numbers if number not in hashes]
    if len(known) > MOST_CHAINED or len(known) < 3:
        return [*sorted(known, key=hashes.__getitem__), *rest]
    codes = np.array([hashes[number] for number in known], np.uint64)
    left, chain = np.ones(len(known), bool), [0]
    left[0] = False
    for _ in range(len(known) - 1):
        bits = np.bitwise_count(codes ^ codes[chain[-1]])
        bits[~left] = 255
        chain.append(int(bits.argmin()))
        left[chain[-1]] = False
    return [*(known[place] for place in chain), *rest]
