import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dct
from skimage import data

from pipeline.pictures.similarity import Codes, groups, near_earlier, near_pairs, perceptual_hash

PHOTOS = {
    "astronaut": data.astronaut, "coffee": data.coffee, "rocket": data.rocket,
    "chelsea": data.chelsea, "camera": data.camera, "grass": data.grass,
}  # fmt: skip


def phash_of_imagehash(picture: Image.Image) -> int:
    """imagehash.phash in scipy's terms, as its source reads."""
    pixels = np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS))
    low = dct(dct(pixels, axis=0), axis=1)[:8, :8]
    bits = (low > np.median(low)).flatten()
    return int("".join("01"[int(bit)] for bit in bits), 2)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_hash_is_imagehashs(name: str) -> None:
    picture = Image.fromarray(PHOTOS[name]())
    assert perceptual_hash(picture) == phash_of_imagehash(picture)


def test_smaller_brighter_and_recompressed_copies_are_near_and_others_are_not() -> None:
    hashes = {name: perceptual_hash(Image.fromarray(make())) for name, make in PHOTOS.items()}
    for name, make in PHOTOS.items():
        picture = Image.fromarray(make())
        half = perceptual_hash(picture.resize((picture.width // 2, picture.height // 2)))
        brighter = perceptual_hash(picture.point(lambda value: min(255, value + 10)))
        assert (hashes[name] ^ half).bit_count() <= 4
        assert (hashes[name] ^ brighter).bit_count() <= 4
    pairs = [(a, b) for a in hashes for b in hashes if a < b]
    assert min((hashes[a] ^ hashes[b]).bit_count() for a, b in pairs) > 10


def codes(hashes: list[int]) -> Codes:
    return np.array(hashes, np.uint64)


def test_near_ones_are_named_with_their_distance() -> None:
    assert near_earlier(codes([0b0000, 0b0001, 0b1111, 0b0011]), 2) == {
        1: [(0, 1)],
        3: [(0, 2), (1, 1), (2, 2)],
    }


def test_the_first_of_equal_hashes_stands_for_all() -> None:
    assert near_earlier(codes([5, 4, 5, 4, 5]), 1) == {1: [(0, 1)], 2: [(0, 0)], 3: [(1, 0)], 4: [(0, 0)]}


def all_pairs(some: list[int], max_bits: int) -> list[tuple[int, int, int]]:
    """Every code held against every earlier one."""
    pairs = [(a, b, (some[a] ^ some[b]).bit_count()) for b in range(len(some)) for a in range(b)]
    return [pair for pair in pairs if pair[2] <= max_bits]


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 63), max_size=12)), max_size=30),
    st.integers(0, 20),
)
def test_bands_find_what_all_pairs_find(
    some: list[int], changes: list[tuple[int, set[int]]], max_bits: int
) -> None:
    near = [some[which % len(some)] ^ sum(1 << bit for bit in flipped) for which, flipped in changes if some]
    distinct = list(dict.fromkeys([*some, *near]))
    assert near_pairs(codes(distinct), max_bits) == all_pairs(distinct, max_bits)


def test_chains_of_near_ones_are_one_group() -> None:
    hashes = [0, (1 << 40) - 1, 0b11, 0b1111]
    assert groups(near_earlier(codes(hashes), 2)) == {2: 0, 3: 0}
    assert groups(near_earlier(codes([]), 2)) == {}


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(0, 32))
def test_groups_hold_every_near_pair(hashes: list[int], bits: int) -> None:
    others = groups(near_earlier(codes(hashes), bits))
    first = [others.get(index, index) for index in range(len(hashes))]
    assert all(first[leader] == leader <= index for index, leader in enumerate(first))
    assert all(leader < index for index, leader in others.items())
    for a, one in enumerate(hashes):
        for b, other in enumerate(hashes):
            if (one ^ other).bit_count() <= bits:
                assert first[a] == first[b]
