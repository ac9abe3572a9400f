from math import cos, sin

import pytest
import torch
from sd_mecha.extensions.builtin.merge_methods import cosine, linear, ties

from pipeline.merging.methods.angles import cosine_a, cosine_b, model_stock, slerp

GENERATOR = torch.Generator().manual_seed(0)
A, B = (torch.randn(32, 48, generator=GENERATOR) for _ in range(2))


def test_slerp_walks_along_the_circle() -> None:
    angle, end = 1.2, torch.tensor([cos(1.2), sin(1.2)])
    found = slerp(torch.tensor([1.0, 0.0]), end, alpha=0.25)
    assert found.tolist() == pytest.approx([cos(angle / 4), sin(angle / 4)], abs=1e-6)


def test_slerp_of_one_direction_is_the_weighted_sum() -> None:
    assert torch.allclose(slerp(A, 3 * A, alpha=0.5), 2 * A)
    zero = torch.zeros(3)
    assert slerp(zero, torch.ones(3), alpha=0.5).tolist() == [0.5] * 3


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.9, 1.0])
def test_another_implementation_agrees(alpha: float) -> None:
    pairs = [
        (slerp(A, B, alpha=alpha), linear.slerp.__wrapped__(A, B, torch.tensor(alpha))),
        (cosine_a(A, B, alpha=alpha), cosine.add_cosine_a.__wrapped__(A, B, alpha)),
        (cosine_b(A, B, alpha=alpha), cosine.add_cosine_b.__wrapped__(A, B, alpha)),
    ]
    assert all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in pairs)


def test_cosine_keeps_what_is_alike_and_takes_what_is_not() -> None:
    a = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    b = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    # The first columns point alike (share of B 0), the second are at right angles (share 1).
    assert cosine_a(a, b, alpha=0.0).tolist() == [[1.0, 0.0], [0.0, 5.0]]
    assert cosine_a(a, b, alpha=1.0).tolist() == b.tolist()


def test_cosine_b_counts_the_whole_tensor_too() -> None:
    a = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    b = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    # Columns: 1 and 0; the whole: 9 / (5 5) = 0.36. Shares of B: 1 - 0.68 and 1 - 0.18, less by alpha 0.1.
    shares = [1 - 0.58, 1 - 0.08]
    expected = [[3.0, 4 * shares[1]], [0.0, 4 * (1 - shares[1])]]
    assert torch.allclose(cosine_b(a, b, alpha=0.1), torch.tensor(expected), atol=1e-6)


def test_model_stock_worked_by_hand() -> None:
    base = torch.zeros(2)
    # cos = 0.6: t = 2 0.6 / 1.6 = 0.75 of the mean.
    found = model_stock(base, [torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])], alpha=1)
    assert found.tolist() == pytest.approx([0.6, 0.3])
    opposite = [torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])]
    assert model_stock(base, opposite, alpha=1).tolist() == [0, 0]


def test_model_stock_of_one_model_is_that_model() -> None:
    assert torch.allclose(model_stock(A, [B], alpha=1), B, atol=1e-6)


def test_another_model_stock_agrees_on_two_models() -> None:
    near = [B + 0.1 * A, B - 0.1 * A]
    theirs = ties.model_stock.__wrapped__(*(model.flatten() for model in near))
    assert torch.allclose(model_stock(torch.zeros_like(A), near, alpha=1).flatten(), theirs, atol=1e-5)
