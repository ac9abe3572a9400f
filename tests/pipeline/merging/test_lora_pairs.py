import pytest
import torch

from pipeline.merging.lora_pairs import (
    LoraPair,
    RankRule,
    approximated,
    by_frobenius,
    by_ratio,
    by_sum,
    concatenated,
    fixed,
    truncated,
)
from pipeline.networks.low_rank import singular_of_product


def pair(seed: int, rank: int, out: int = 40, inside: int = 60) -> LoraPair:
    generator = torch.Generator().manual_seed(seed)
    return LoraPair(
        torch.randn(out, rank, generator=generator), torch.randn(rank, inside, generator=generator)
    )


SPECTRUM = torch.tensor([8.0, 4.0, 2.0, 1.0, 1.0])


def test_concatenation_is_the_sum() -> None:
    pairs, ratios = [pair(0, 4), pair(1, 7)], [0.3, -1.2]
    found = concatenated(pairs, ratios)
    first, second = (ratio * each.delta().double() for each, ratio in zip(pairs, ratios, strict=True))
    wanted = first + second
    assert found.rank == 11
    assert float((found.delta() - wanted).norm() / wanted.norm()) < 1e-6


@pytest.mark.parametrize("rank", [1, 5, 10, 16])
def test_truncation_is_the_best_of_its_rank_and_says_its_error(rank: int) -> None:
    whole = pair(0, 16)
    found, error = truncated(whole, fixed(rank))
    s = torch.linalg.svdvals(whole.delta().double())
    assert found.rank == rank
    # Eckart-Young: nothing of this rank is nearer.
    best = float((s[rank:].square().sum() / s.square().sum()).sqrt())
    assert error == pytest.approx(best, abs=1e-6)
    away = float((found.delta() - whole.delta()).norm() / whole.delta().norm())
    assert away == pytest.approx(error, abs=1e-6)


def test_a_sum_that_cancels_is_rank_one_of_nothing() -> None:
    nothing = concatenated([pair(0, 3), pair(0, 3)], [1.0, -1.0])
    found, error = truncated(nothing, fixed(3))
    assert (found.rank, error) == (1, 0.0)


def test_a_rank_above_the_layers_own_is_cut() -> None:
    whole = pair(0, 50, out=20)
    found, error = truncated(whole, fixed(50))
    assert found.rank == 20
    assert error < 1e-6
    assert len(singular_of_product(whole.up, whole.down).s) == 20


@pytest.mark.parametrize(
    ("rule", "rank"),
    [
        (fixed(3), 3),
        (by_ratio(2.5), 2),  # above 3.2
        (by_ratio(4.0), 2),  # above 2, not 2 itself
        (by_sum(0.5), 1),  # 8 of 16
        (by_sum(0.76), 3),
        (by_sum(1.0), 5),
        (by_frobenius(0.8), 1),  # 64 of 86 is 0.744, above 0.64
        (by_frobenius(0.9), 2),  # 80 of 86 is 0.93, above 0.81
        (by_frobenius(1.0), 5),
    ],
)
def test_rules_worked_by_hand(rule: RankRule, rank: int) -> None:
    assert rule(SPECTRUM) == rank


@pytest.mark.parametrize(("out", "inside"), [(40, 60), (400, 300)], ids=["exact", "randomised"])
def test_a_known_low_rank_change_is_found(out: int, inside: int) -> None:
    known = pair(3, 8, out, inside).delta()
    found, error = approximated(known, 8)
    assert float((found.delta() - known).norm() / known.norm()) < 1e-5
    assert error < 1e-3  # a difference of two norms: half of float32's digits


def test_the_randomised_svd_is_near_the_best_and_always_the_same() -> None:
    known = pair(3, 200, 400, 300).delta()
    found, error = approximated(known, 16)
    s = torch.linalg.svdvals(known.double())
    assert error == pytest.approx(float((s[16:].square().sum() / s.square().sum()).sqrt()), rel=1e-2)
    assert torch.equal(found.up, approximated(known, 16)[0].up)
