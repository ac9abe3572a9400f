import pytest
import sd_mecha
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.merging.methods.linear import (
    add_difference,
    sum_twice,
    train_difference,
    triple_sum,
    weighted_sum,
)

A, B, C = torch.tensor([1.0, 2.0, -4.0]), torch.tensor([3.0, 2.0, 4.0]), torch.tensor([2.0, 2.0, 0.0])
numbers = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20)
shares = st.floats(0, 1, width=32)


def test_hand_worked_numbers() -> None:
    assert weighted_sum(A, B, alpha=0.25).tolist() == [1.5, 2.0, -2.0]
    assert add_difference(A, B, C, alpha=0.5).tolist() == [1.5, 2.0, -2.0]
    assert triple_sum(A, B, C, alpha=0.5, beta=0.25).tolist() == [2.25, 2.0, 1.0]
    assert sum_twice(A, B, C, alpha=0.5, beta=0.5).tolist() == [2.0, 2.0, 0.0]
    # |B - A| / (|B - C| + |B - A|) is 2/3, 0 (both distances are 0) and 8/12; times 1.8 (B - C).
    assert train_difference(A, B, C, alpha=0.5).tolist() == pytest.approx([1.6, 2.0, -1.6])


@given(numbers, shares)
def test_equal_models_stay_as_they_are_to_the_bit(values: list[float], alpha: float) -> None:
    a = torch.tensor(values)
    assert torch.equal(weighted_sum(a, a, alpha=alpha), a)
    assert torch.equal(add_difference(a, a, a, alpha=alpha), a)
    assert torch.equal(triple_sum(a, a, a, alpha=alpha, beta=alpha), a)
    assert torch.equal(sum_twice(a, a, a, alpha=alpha, beta=alpha), a)
    assert torch.equal(train_difference(a, a, a, alpha=alpha), a)


@given(numbers, numbers)
def test_both_ends_of_a_weighted_sum_are_exact(left: list[float], right: list[float]) -> None:
    a, b = (torch.tensor(values[: min(len(left), len(right))]) for values in (left, right))
    assert torch.equal(weighted_sum(a, b, alpha=0), a)
    assert torch.equal(weighted_sum(a, b, alpha=1), b)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.77, 1.0])
def test_another_implementation_agrees(alpha: float) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(64, 64, generator=generator) for _ in range(3))
    linear = sd_mecha.extensions.builtin.merge_methods.linear
    theirs = linear.weighted_sum.__wrapped__({"key": a}, {"key": b}, torch.tensor(alpha), key="key")
    assert torch.allclose(weighted_sum(a, b, alpha=alpha), theirs, atol=1e-6, rtol=0)
    added = linear.add_difference.__wrapped__({"key": a}, {"key": b - c}, torch.tensor(alpha), key="key")
    assert torch.allclose(add_difference(a, b, c, alpha=alpha), added, atol=1e-6, rtol=0)
    mask = linear.train_difference_mask.__wrapped__(a, b, c, alpha)
    theirs = a + mask * (b - c)  # there the mask's |B - A| stands over |B - A| + |B - C|
    assert torch.allclose(train_difference(a, b, c, alpha=alpha), theirs, atol=1e-5, rtol=0)
