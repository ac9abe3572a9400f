from typing import Any

import pytest

from pipeline.config.compose import options
from tests.pipeline.config.rules.composed import must_doubt, must_refuse

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        (
            "constant",
            {"warmup_percent": 5},
            r"warmup_percent is 5, but schedule\.name constant has no warm-up",
        ),
        ("constant", {"warmup_steps": 100}, r"warmup_steps is 100, but schedule\.name constant"),
        ("cosine", {"name": "staircase"}, r"name is staircase, but schedule\.staircase is null"),
        ("cosine", {"staircase": "0.1:5, 0.01"}, r"staircase is set, but schedule\.name is cosine"),
        ("staircase", {"staircase": "0.1:5; 0.01"}, r"schedule\.staircase: .* not allowed; .* RATE:STEP"),
        ("cosine", {"warmup_percent": "5 %"}, r"schedule\.warmup_percent: '5 %' is not allowed"),
    ],
)
def test_what_cannot_be(use: str, values: dict[str, Any], reason: str) -> None:
    must_refuse({"schedule": use}, {f"schedule.{key}": value for key, value in values.items()}, reason)


@pytest.mark.parametrize(
    ("use", "values", "sentence"),
    [
        ("cosine_with_restarts", {"cycles": 5}, "schedule.cycles 5 with schedule.name cosine_with_restarts"),
        (
            "cosine_with_restarts",
            {"cycles": 1},
            "schedule.cycles is 1, so schedule.name cosine_with_restarts",
        ),
        (
            "cosine",
            {"warmup_percent": 60},
            "schedule.warmup_percent 60 leaves less than half of the run to schedule.name cosine",
        ),
        ("cosine", {"warmup_percent": 0.05}, "schedule.warmup_percent 0.05 is less than one in a hundred"),
        ("cosine", {"cycles": 3}, "schedule.cycles has no effect: schedule.name is cosine"),
        ("linear", {"power": 2.0}, "schedule.power has no effect: schedule.name is linear"),
        ("constant", {"min_ratio": 0.1}, "schedule.min_ratio has no effect: schedule.name is constant"),
        ("cosine", {"warmup_percent": "7.5%"}, ""),
    ],
)
def test_what_is_seldom_meant(use: str, values: dict[str, Any], sentence: str) -> None:
    must_doubt({"schedule": use}, {f"schedule.{key}": value for key, value in values.items()}, sentence)


def test_every_option_is_silent() -> None:
    for option in options("schedule"):
        must_doubt({"schedule": option}, {}, "")
