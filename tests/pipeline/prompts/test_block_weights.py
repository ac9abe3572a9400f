import pytest

from pipeline.bases.registry import families
from pipeline.errors import UserError
from pipeline.prompts.block_weights import FORMS, block_weights

SD1, SDXL = (families()[name].blocks for name in ("sd1", "sdxl"))
SHORT_17, SHORT_12 = (form.short for form in FORMS)


def numbers(count: int) -> str:
    return ",".join(str(number / 10) for number in range(count))


def test_seventeen_numbers_are_the_places_with_attention() -> None:
    factors = block_weights(numbers(17)).on(SD1)
    assert [factors[place] for place in SHORT_17] == [number / 10 for number in range(17)]
    assert [factors[place] for place in ("IN00", "IN03", "OUT02")] == [1.0, 1.0, 1.0]
    assert SHORT_17[:6] == ("BASE", "IN01", "IN02", "IN04", "IN05", "IN07")
    assert SHORT_17[6:9] == ("IN08", "M00", "OUT03")


def test_twenty_six_numbers_are_all_places() -> None:
    factors = block_weights(", ".join(str(number) for number in range(26))).on(SD1)
    assert (factors["BASE"], factors["IN00"], factors["OUT11"]) == (0.0, 1.0, 25.0)


def test_twelve_and_twenty_numbers_are_those_of_sdxl() -> None:
    assert SHORT_12 == (
        "BASE", "IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05",
    )  # fmt: skip
    factors = block_weights(numbers(12)).on(SDXL)
    assert (factors["BASE"], factors["IN07"], factors["OUT05"], factors["OUT08"]) == (0.0, 0.3, 1.1, 1.0)
    whole = block_weights(numbers(20)).on(SDXL)
    assert (whole["IN00"], whole["M00"], whole["OUT08"]) == (0.1, 1.0, 1.9)


def test_presets_by_hand() -> None:
    assert [place for place, factor in block_weights("MIDD").on(SD1).items() if factor] == [
        "BASE", "IN00", "IN03", "IN05", "IN06", "IN07", "IN08", "IN09", "IN10", "IN11", "M00", "OUT00",
        "OUT01", "OUT02", "OUT03", "OUT04", "OUT05", "OUT06",
    ]  # fmt: skip
    deep = block_weights("OUTD").on(SDXL)
    assert [place for place in SHORT_12 if deep[place]] == ["BASE", "OUT00", "OUT01", "OUT02"]
    for form in FORMS:
        assert set(block_weights("ALL").on(form.blocks).values()) == {1.0}
        assert all(len(digits) == len(form.short) for digits in form.presets.values())


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


def test_numbers_of_another_familys_blocks_are_refused() -> None:
    with pytest.raises(UserError, match="17 numbers, for a base of 25 blocks; this base has 19: give 12"):
        block_weights(numbers(17)).on(SDXL)
    with pytest.raises(UserError, match="12 numbers, for a base of 19 blocks; this base has 25: give 17"):
        block_weights(numbers(12)).on(SD1)


def test_a_transformer_takes_a_number_for_each_block() -> None:
    medium, large = families()["sd3"].members_blocks
    assert (len(medium), len(large)) == (26, 40)
    factors = block_weights(numbers(27)).on(medium)
    assert (factors["BASE"], factors["IN00"], factors["J00"], factors["OUT00"]) == (0.0, 0.1, 0.2, 2.6)
    with pytest.raises(UserError, match="27 numbers, for a base of 26 blocks; this base has 40: give 41 num"):
        block_weights(numbers(27)).on(large)


def test_presets_of_a_transformer_weigh_the_same_depths() -> None:
    """Block n of 26 lies at depth 24 n / 25: MDDI of SD 1.x is from 5 to 19."""
    medium = families()["sd3"].members_blocks[0]
    weighed = [place for place, factor in block_weights("MIDD").on(medium).items() if factor]
    assert weighed == ["BASE", *(f"J{number:02}" for number in range(4, 20))]
    outer = [place for place, factor in block_weights("OUTS").on(medium).items() if factor]
    assert outer == ["BASE", "J20", "J21", "J22", "J23", "OUT00"]
    assert set(block_weights("ALL").on(("IN00", "J00", "OUT00")).values()) == {1.0}
