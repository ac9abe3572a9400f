import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pictures.traits import equals, hash_of, name_hash


@given(st.lists(st.tuples(st.sampled_from(["00", "01", "ff"]), st.sampled_from(["00", "10"]), st.booleans())))
def test_each_later_one_names_the_first_that_is_left(pictures: list[tuple[str, str, bool]]) -> None:
    hashes = np.zeros(len(pictures), "V32")
    for number, (low, high, _) in enumerate(pictures):
        hashes[number] = hash_of(low.ljust(16, "0") + high.rjust(48, "0"))
    among = np.flatnonzero([is_left for *_, is_left in pictures])
    seen: dict[bytes, int] = {}
    expected = {
        number: (seen[key],)
        for number in among.tolist()
        if seen.setdefault(key := hashes[number].tobytes()[:16], number) != number
    }
    assert equals(hashes, among) == expected


def test_names_that_differ_in_case_are_one() -> None:
    assert name_hash("zib/Stra\u00dfe") == name_hash("ZIB/strasse")
    assert name_hash("zib/a") != name_hash("zib/b")
