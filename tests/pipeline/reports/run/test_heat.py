"""The table of scores: what is no better than the base has no colour."""

from typing import Any

import pytest

from pipeline.reports.run.heat import heat

BASE = {"subject": 0.0, "prompt": 1.0}


def row(epoch: int, weight: float, total: float | None, *against: str) -> dict[str, Any]:
    return {"epoch": epoch, "weight": weight, "total": total, "against": against}


def test_colours_are_gains_over_the_base_not_the_spread_of_the_scores() -> None:
    """Base 1.0; the subject could gain 1. All candidates at or below it: nothing is green."""
    found = heat([row(5, 1.0, 1.0), row(10, 1.0, 0.9), row(5, 0.5, 0.6, "blank")], BASE)
    assert found is not None
    assert (found.epochs, found.weights, found.base) == ([5, 10], [0.5, 1.0], 1.0)
    assert found.cells == [
        [(0, "-0.40", False, True), (0, "+0.00", True, False)],
        [None, (0, "-0.10", False, False)],
    ]


@pytest.mark.parametrize(
    ("base", "total", "share", "text"),
    [
        (BASE, 1.25, 25, "+0.25"),
        (BASE, 2.0, 100, "+1.00"),
        ({"subject": 0.5, "prompt": 0.5}, 1.25, 25, "+0.25"),
        ({"clip": 20.0}, 0.25, 50, "+0.05"),  # five of the ten points that are a lot
        (None, 1.9, 0, "1.90"),
        ({"sharpness": 3.0}, 1.9, 0, "1.90"),
        ({"subject": 1.0, "prompt": 1.0}, 2.0, 0, "+0.00"),
    ],
)
def test_shares_by_hand(base: dict[str, float] | None, total: float, share: int, text: str) -> None:
    found = heat([row(5, 1.0, total)], base)
    assert found is not None
    assert found.cells == [[(share, text, True, False)]]


def test_without_scores_there_is_no_table() -> None:
    assert heat([row(5, 1.0, None)], BASE) is None
    assert heat([], BASE) is None
