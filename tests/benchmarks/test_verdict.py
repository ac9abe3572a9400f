"""The drawn cells of benchmarks/verdict.py know how good they are, and its figures count what they say."""

from dataclasses import fields, replace

import numpy as np
import pytest

from benchmarks.drawn_cells import ASKED, DrawnCell, Flaws, Painter
from benchmarks.verdict import Agreement, _agreed, _covered, agreement_table
from demo.critters import ZIBBO

pytestmark = pytest.mark.usefixtures("root")
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def painter() -> Painter:
    with pytest.MonkeyPatch.context() as patch:
        from tests.conftest import ROOT

        patch.chdir(ROOT)
        return Painter(num_training=4)


@pytest.fixture(scope="module")
def base(painter: Painter) -> DrawnCell:
    return painter.base(SEEDS)


def test_a_cell_without_flaws_is_perfect_and_the_base_lacks_the_character_alone(
    painter: Painter, base: DrawnCell
) -> None:
    assert painter.cell(Flaws(), SEEDS).truth(base) == 1.0
    assert base.truth(base) == 0.75  # prompts, what is kept and quality, but no identity


@pytest.mark.parametrize("flaw", [each.name for each in fields(Flaws)])
def test_every_flaw_costs_and_more_of_it_costs_more(painter: Painter, base: DrawnCell, flaw: str) -> None:
    half, whole = (painter.cell(Flaws(**{flaw: share}), SEEDS, 1).truth(base) for share in (0.5, 1.0))
    assert whole < half < 1.0
    assert whole > 0.5  # four sides, of which one flaw touches one


def test_the_truth_by_hand(painter: Painter, base: DrawnCell) -> None:
    cell = painter.cell(Flaws(smeared=1.0), SEEDS)
    assert cell.truth(base) == 0.75
    shown = [replace(each, critter=replace(each.critter, fur="red fur")) for each in cell.own]
    alone = sum(
        sum(
            getattr(each.critter, look) == getattr(ZIBBO, look)
            for look in ("fur", "body", "ears", "hat", "own")
        )
        for each in base.own
    ) / (5 * len(base.own))
    identity = (0.8 - alone) / (1 - alone)  # four of five looks
    assert replace(cell, own=shown).truth(base) == pytest.approx((identity + 1 + 1 + 0) / 4)


def test_cells_share_seeds_and_are_drawn_again_alike(painter: Painter) -> None:
    one, two = (painter.cell(Flaws(smeared=0.5), SEEDS, 3) for _ in range(2))
    assert all(a.image.tobytes() == b.image.tobytes() for a, b in zip(one.own, two.own, strict=True))
    clean = painter.cell(Flaws(), SEEDS)
    pairs = list(zip(one.own, clean.own, strict=True))
    assert all((a.image.tobytes() == b.image.tobytes()) != a.is_smeared for a, b in pairs)
    assert len(pairs) == len(ASKED) * len(SEEDS)


def test_agreement_counts_pairs_whose_truth_differs_and_a_tie_is_no_order() -> None:
    rows = [(1.0, 0.9, 0.5), (0.5, 0.4, 0.5), (0.48, 0.6, 0.7), (1.0, 0.2, 0.1)]
    found = _agreed(rows, 0.0)
    # Truth orders 0 > 1, 0 > 2, 1 > 2, 3 > 1, 3 > 2; 0 and 3 are equal.
    assert found == Agreement(pairs=5, joint=2, tagger=0)
    assert _agreed(rows, 0.05).pairs == 4
    assert "| all | 2 of 5 (40%) | 0 of 5 (0%) |" in agreement_table(found, found)


def test_intervals_of_a_known_pool_hold_its_mean() -> None:
    pool = np.random.default_rng(3).normal(0.5, 0.1, (4, 100)).ravel()
    other = pool + np.random.default_rng(4).normal(0.2, 0.05, 400)
    own, apart = _covered(pool, other, 100, 100, is_share=False)
    # Of 95 % in 100 draws the standard error is 2.2 %: five of them below.
    assert min(own, apart) >= 0.84
    assert _covered(pool, pool, 100, 20, is_share=False)[1] == 1.0  # no difference, no chance
