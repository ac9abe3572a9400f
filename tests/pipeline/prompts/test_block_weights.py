import pytest

from pipeline.errors import UserError
from pipeline.prompts.block_weights import ATTENTION_PLACES, PLACES, PRESETS, block_weights


def test_seventeen_numbers_are_the_places_with_attention() -> None:
    numbers = [number / 10 for number in range(17)]
    weights = block_weights(",".join(map(str, numbers)))
    assert [weights.factor(place) for place in ATTENTION_PLACES] == numbers
    assert [weights.factor(place) for place in ("IN00", "IN03", "OUT02")] == [1.0, 1.0, 1.0]
    assert ATTENTION_PLACES[:6] == ("BASE", "IN01", "IN02", "IN04", "IN05", "IN07")
    assert ATTENTION_PLACES[6:9] == ("IN08", "M00", "OUT03")


def test_twenty_six_numbers_are_all_places() -> None:
    weights = block_weights(", ".join(str(number) for number in range(26)))
    assert (weights.factor("BASE"), weights.factor("IN00"), weights.factor("OUT11")) == (0.0, 1.0, 25.0)


def test_presets_by_hand() -> None:
    middle = block_weights("MIDD")
    assert [place for place in ATTENTION_PLACES if middle.factor(place)] == [
        "BASE", "IN05", "IN07", "IN08", "M00", "OUT03", "OUT04", "OUT05", "OUT06",
    ]  # fmt: skip
    assert set(block_weights("ALL").factors) == {1.0}
    assert all(len(block_weights(name).factors) == len(PLACES) == 26 for name in PRESETS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("OUTAL", "'OUTAL' is not a set of block weights; did you mean OUTALL"),
        ("1,1,1", "has 3 numbers; block weights need 17"),
        ("1,x" + ",1" * 15, "'x' is neither a number"),
    ],
)
def test_others_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        block_weights(text)
