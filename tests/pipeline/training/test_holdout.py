import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.data import Picture
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.holdout import position, split


def picture(name: str, concept: str = "a", group: str | None = None, is_class: bool = False) -> Picture:
    return Picture(name, concept, "", None, EpochPicture(1, is_class, (64, 64)), group or name)


def ids(pictures: list[Picture]) -> set[str]:
    return {each.id for each in pictures}


def test_the_position_is_the_first_eight_bytes_of_the_hash() -> None:
    # SHA-256 of "a" begins with ca978112ca1bbdca.
    assert position("a") == pytest.approx(0xCA978112CA1BBDCA / 2**64)


@given(
    st.sets(st.integers(0, 10_000), min_size=2, max_size=80),
    st.integers(10_001, 20_000),
    st.floats(0.02, 0.5),
)
def test_a_picture_more_moves_no_other_that_its_share_keeps_out(
    names: set[int], new: int, share: float
) -> None:
    before = ids(split([picture(str(name)) for name in names], share)[1])
    after = ids(split([picture(str(name)) for name in [*names, new]], share)[1])
    by_share = {str(name) for name in names if position(str(name)) < share}
    assert len(by_share) == len(names) or by_share <= before
    if by_share and len(by_share) < len(names):
        assert after - {str(new)} == before


def test_nearly_equal_pictures_stay_on_one_side_and_class_pictures_are_trained_on() -> None:
    pictures = [picture(f"{n}", group=f"g{n // 4}") for n in range(200)]
    pictures += [picture(f"class{n}", "class", is_class=True) for n in range(20)]
    trained, out = split(pictures, 0.2)
    assert not {each.group for each in trained if not each.shown.is_class} & {each.group for each in out}
    assert not any(each.shown.is_class for each in out)
    assert ids(trained) | ids(out) == ids(pictures)
    assert 20 <= len(out) <= 60


def test_every_concept_keeps_something_on_both_sides_if_it_can() -> None:
    pictures = [picture("a1"), picture("a2"), picture("b1", "b"), picture("b2", "b"), picture("c", "c")]
    for share in (0.01, 0.5):
        _, out = split(pictures, share)
        assert sorted(each.concept for each in out) == ["a", "b"]
    assert split(pictures, 0.0) == (pictures, [])
