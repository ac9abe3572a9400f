import pytest

from pipeline.bases.sd1.facts import FACTS
from pipeline.networks.block_values import by_block


def test_nothing_said_is_the_whole_everywhere() -> None:
    assert by_block(None, 8, FACTS.blocks) == dict.fromkeys(FACTS.blocks, 8)


def test_by_number_and_by_name() -> None:
    numbers = by_block(list(range(25)), 8, FACTS.blocks)
    assert (numbers["IN00"], numbers["M00"], numbers["OUT11"]) == (0, 12, 24)
    named = by_block({"IN04": 2}, 8, FACTS.blocks)
    assert (named["IN04"], named["IN05"]) == (2, 8)


@pytest.mark.parametrize(
    ("shape", "first", "middle", "last"),
    [
        ("linear", 0, 4, 8),
        ("reverse_linear", 8, 4, 0),
        ("sine", 0, 8 * 0.5**0.5, 8),
        ("cosine", 8, 8 * 0.5**0.5, 0),
        ("linear+0.25", 2, 6, 10),
        ("cosine+.5", 12, 8 * 0.5**0.5 + 4, 4),
    ],
)
def test_by_shape(shape: str, first: float, middle: float, last: float) -> None:
    values = by_block(shape, 8, FACTS.blocks)
    assert [values[name] for name in ("IN00", "M00", "OUT11")] == pytest.approx([first, middle, last])
