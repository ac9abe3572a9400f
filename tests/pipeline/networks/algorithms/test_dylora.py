import torch
from torch import nn

from pipeline.networks.algorithms.dylora import Dylora

DOWN = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
UP = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
X = torch.tensor([[1.0, 2.0]])


def network() -> Dylora:
    made = Dylora(nn.Linear(2, 2), dim=4, alpha=2.0)
    made.lora_down.weight.data, made.lora_up.weight.data = DOWN.clone(), UP.clone()
    return made


def test_the_first_ranks_alone_act_at_alpha_over_their_number() -> None:
    """A x is (1, 2, 3, 2). Rank 2: 2 / 2 (1 + 4, 5 + 12). Rank 4: 2 / 4 (5 + 9 + 8, 17 + 21 + 16)."""
    made = network()
    made.cut(2)
    assert made.update(X).tolist() == [[5.0, 17.0]]
    made.cut(4)
    assert made.update(X).tolist() == [[11.0, 27.0]]


def test_it_is_not_sd_scripts_whose_every_rank_acts_and_whose_drawn_unit_alone_learns() -> None:
    """networks/dylora.py, rank 2 of 4 by unit 1: all four ranks act, at alpha / 4 sqrt(4 / 2), and only the
    second learns. Here the first two act, and both learn.
    """
    made = network()
    made.cut(2)
    theirs = X @ DOWN.T @ UP.T * (2 / 4) * (4 / 2) ** 0.5
    assert not torch.allclose(made.update(X), theirs)
    made.update(X).sum().backward()
    down, up = made.lora_down.weight.grad, made.lora_up.weight.grad
    assert down is not None
    assert up is not None
    assert [bool(row.any()) for row in down] == [True, True, False, False]
    assert [bool(column.any()) for column in up.T] == [True, True, False, False]
