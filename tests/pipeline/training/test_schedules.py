from typing import Literal

import pytest

from pipeline.config.schemas import Schedule
from pipeline.training.schedules import rate_factor

Name = Literal["constant", "linear", "cosine"]


@pytest.mark.parametrize(
    ("name", "warmup", "factors"),
    [
        ("constant", 0.0, [1, 1, 1, 1]),
        ("linear", 0.0, [1, 0.75, 0.5, 0.25]),
        ("cosine", 0.0, [1, 0.853553, 0.5, 0.146447]),
        ("constant", 50.0, [1 / 3, 2 / 3, 1, 1]),
        ("linear", 50.0, [1 / 3, 2 / 3, 1, 0.5]),
        ("constant", 100.0, [0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_hand_worked_rates_of_four_steps(name: Name, warmup: float, factors: list[float]) -> None:
    config = Schedule(name=name, warmup_percent=warmup)
    assert [rate_factor(step, 4, config) for step in range(4)] == pytest.approx(factors, abs=1e-6)
