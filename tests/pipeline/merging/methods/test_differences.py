from math import exp

import pytest
import torch
from sd_mecha.extensions.builtin.merge_methods import ties as mecha_ties

from pipeline.merging.methods.differences import dare, smooth_add, ties

ZERO = torch.zeros(4)


def test_ties_worked_by_hand() -> None:
    models = [torch.tensor([4.0, -3.0, 1.0, 2.0]), torch.tensor([2.0, 5.0, -1.0, 4.0])]
    # The larger half of each: [4, -3, 0, 0] and [0, 5, 0, 4]; signs +, +, none, +.
    assert ties(ZERO, models, alpha=1, density=0.5).tolist() == [4, 5, 0, 4]
    assert ties(ZERO, models, alpha=0.5, density=0.5).tolist() == [2, 2.5, 0, 2]
    assert ties(ZERO, models, alpha=1, density=0).tolist() == [0, 0, 0, 0]


def test_another_ties_agrees() -> None:
    generator = torch.Generator().manual_seed(0)
    models = [torch.randn(40, 30, generator=generator) for _ in range(3)]
    theirs = mecha_ties.ties_sum.__wrapped__(*models, k=1.0, vote_sgn=True)
    assert torch.allclose(ties(torch.zeros(40, 30), models, alpha=1, density=1), theirs, atol=1e-6)


def test_dare_keeps_the_mean_and_drops_the_share() -> None:
    base, model = torch.zeros(100_000), torch.ones(100_000)
    found = dare(base, [model], alpha=1, drop=0.75, seed=1)
    assert set(found.tolist()) == {0.0, 4.0}
    # Three standard deviations of 100 000 draws.
    assert float((found == 0).float().mean()) == pytest.approx(0.75, abs=3 * (0.75 * 0.25 / 1e5) ** 0.5)
    assert torch.equal(found, dare(base, [model], alpha=1, drop=0.75, seed=1))
    assert not torch.equal(found, dare(base, [model], alpha=1, drop=0.75, seed=2))


def test_dare_without_dropping_is_the_mean() -> None:
    models = [torch.ones(4), torch.full((4,), 3.0)]
    assert dare(ZERO, models, alpha=0.5, drop=0, seed=0).tolist() == [1, 1, 1, 1]


def test_smooth_add_removes_a_lone_spike_and_adds_a_constant() -> None:
    a, spike = torch.zeros(9, 9), torch.zeros(9, 9)
    spike[4, 4] = 100
    assert smooth_add(a, spike, a, alpha=1).tolist() == a.tolist()
    step = torch.cat([torch.zeros(20), torch.ones(20)])
    # A step outlasts the median; the Gaussian of sigma 1, cut at 4, leaves the sum of its weights beyond it.
    weights = torch.tensor([exp(-(n**2) / 2) for n in range(-4, 5)])
    beyond = float(weights[5:].sum() / weights.sum())
    found = smooth_add(torch.zeros(40), step, torch.zeros(40), alpha=1)
    assert found[[0, 19, 20, 39]].tolist() == pytest.approx([0, beyond, 1 - beyond, 1], abs=1e-6)
    assert torch.allclose(smooth_add(a, a + 2, a, alpha=0.5), a + 1)
