from math import inf

import pytest

from pipeline.schemas.stairs import lr_at, stairs_of


def test_each_rate_holds_for_the_steps_before_its_number() -> None:
    stairs = stairs_of("0.005:12000, 1e-4:18000, 1e-5")
    assert stairs == [(0.005, 12000), (1e-4, 18000), (1e-5, inf)]
    rates = [lr_at(stairs, step) for step in (0, 11_999, 12_000, 17_999, 18_000, 10**9)]
    assert rates == [0.005, 0.005, 1e-4, 1e-4, 1e-5, 1e-5]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "0.1:",
        "0.1:1.5",
        "0.1:5, 0.2:5",
        "0.1:5, 0.2:4",
        "0.1, 0.2:5",
        "-1:5",
        "0.1:0",
        "nan",
        "1:2:3",
    ],
)
def test_what_is_no_staircase_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RATE:STEP|must be positive|must grow"):
        stairs_of(text)
