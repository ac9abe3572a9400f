"""Hydra's grammar, as its own multirun expands it."""

import pytest

from pipeline.errors import UserError
from pipeline.sweep.grammar import expand

pytestmark = pytest.mark.usefixtures("root")


def test_every_combination_the_last_changing_fastest() -> None:
    assert expand(["network.dim=4,8", "seed=3", "network.alpha=1,2"]) == [
        ("network.dim=4", "seed=3", "network.alpha=1"),
        ("network.dim=4", "seed=3", "network.alpha=2"),
        ("network.dim=8", "seed=3", "network.alpha=1"),
        ("network.dim=8", "seed=3", "network.alpha=2"),
    ]


def test_ranges_choices_and_lists_as_values() -> None:
    assert expand(["network.dim=range(4,9,2)"]) == [
        ("network.dim=4",),
        ("network.dim=6",),
        ("network.dim=8",),
    ]
    assert expand(["train.batch=choice(1,2)"]) == [("train.batch=1",), ("train.batch=2",)]
    assert expand(["sample_grid.seeds=[1,2],[3]"]) == [
        ("sample_grid.seeds=[1,2]",),
        ("sample_grid.seeds=[3]",),
    ]


def test_options_of_a_group_by_name_and_by_glob() -> None:
    assert expand(["network=lora,loha"]) == [("network=lora",), ("network=loha",)]
    assert expand(["network=glob(lo*,exclude=lok*)"]) == [
        ("network=locon",),
        ("network=loha",),
        ("network=lora",),
    ]


def test_a_value_given_twice_is_one_job() -> None:
    assert expand(["seed=1,1,2"]) == [("seed=1",), ("seed=2",)]


def test_what_is_not_in_the_grammar_is_told_all_at_once() -> None:
    with pytest.raises(UserError) as caught:
        expand(["network.dim", "+seed=1", "train.batch=1", "train.batch=2"])
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("text", ["network=glob(x*)", "seed=glob(*)", "optimizer.lr=interval(1e-5,1e-3)"])
def test_values_that_are_none_or_endless(text: str) -> None:
    with pytest.raises(UserError):
        expand([text])
