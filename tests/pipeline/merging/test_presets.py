import pytest

from pipeline.errors import UserError
from pipeline.merging.presets import CURVES, preset

HALF = [0.5] * 14
EXPECTED = {
    "GRAD_V": [1 - n / 12 for n in range(13)] + [n / 12 for n in range(1, 13)],
    "GRAD_A": [n / 12 for n in range(13)] + [1 - n / 12 for n in range(1, 13)],
    "WRAP08": [1] * 4 + [0] * 17 + [1] * 4,
    "WRAP12": [1] * 6 + [0] * 13 + [1] * 6,
    "WRAP14": [1] * 7 + [0] * 11 + [1] * 7,
    "WRAP16": [1] * 8 + [0] * 9 + [1] * 8,
    "MID12_50": [0] * 5 + HALF + [0] * 6,
    "OUT07": [0] * 18 + [1] * 7,
    "OUT12": [0] * 13 + [1] * 12,
    "OUT12_5": [0] * 12 + [0.5] + [1] * 12,
    "RING08_SOFT": [0] * 5 + [0.5, 1, 1, 1, 0.5] + [0] * 5 + [0.5, 1, 1, 1, 0.5] + [0] * 5,
    "RING08_5": [0] * 6 + [1] * 4 + [0] * 5 + [1] * 4 + [0] * 6,
    "RING10_5": [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5 + [0] * 5,
    "RING10_3": [0] * 6 + [1] * 5 + [0] * 3 + [1] * 5 + [0] * 6,
    "ALL_A": [0] * 25,
    "ALL_B": [1] * 25,
}
"""Whole lists, as the block merge extensions offer them."""
POINTS: dict[str, dict[int, float]] = {
    "SMOOTHSTEP": {0: 0, 6: 0.15625, 12: 0.5, 23: 0.994936342592593},
    "SMOOTHSTEP*2": {6: 0.3125, 12: 1, 13: 0.875289351851852},
    "SMOOTHSTEP*3": {8: 0.777777777777778, 9: 0.94921875, 10: 0.871527777777778, 24: 1},
    "SMOOTHSTEP*4": {8: 0.962962962962963, 9: 0.734375, 12: 0, 24: 0},
    "SMOOTHSTEP/2": {1: 0.0196759259259259, 12: 1, 24: 0},
    "SMOOTHSTEP/3": {1: 0.04296875, 8: 1, 16: 0, 24: 1},
    "SMOOTHSTEP/4": {6: 1, 12: 0, 18: 1, 24: 0},
    "R_SMOOTHSTEP/3": {1: 0.95703125, 24: 0},
    "COSINE": {0: 1, 1: 0.995722430686905, 12: 0.5, 24: 0},
    "REVERSE_COSINE": {0: 0, 24: 1},
    "TRUE_CUBIC_HERMITE": {0: 0, 1: 0.199031876929012, 12: 0.520833333333333, 23: 0.842634789737655, 24: 1},
    "FAKE_CUBIC_HERMITE": {0: 0, 1: 0.157576195987654, 9: 0.560546875, 23: 0.842423804012347, 24: 1},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_lists_are_those_that_users_know(name: str) -> None:
    assert preset(name, 25) == pytest.approx(EXPECTED[name], abs=1e-12)


@pytest.mark.parametrize("name", POINTS)
def test_curves_pass_through_the_known_points(name: str) -> None:
    found = preset(name, 25)
    assert {number: found[number] for number in POINTS[name]} == pytest.approx(POINTS[name], abs=1e-12)


@pytest.mark.parametrize("num_blocks", [19, 25])
def test_every_weight_is_a_share(num_blocks: int) -> None:
    assert all(0 <= weight <= 1 for name in CURVES for weight in preset(name, num_blocks))


def test_a_curve_keeps_its_form_on_sdxl() -> None:
    assert preset("GRAD_A", 19)[9] == 1
    assert preset("WRAP08", 19) == [1] * 3 + [0] * 13 + [1] * 3


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean SMOOTHSTEP"):
        preset("SMOOTHSTEPP", 25)
