"""Blind votes: strengths by hand-computed numbers, the file, and which pair comes next."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.workbench.desk import Desk
from pipeline.workbench.grid import GRID_FILE, SampleGrid
from pipeline.workbench.strengths import strengths
from pipeline.workbench.vote_file import VOTES, Pair
from tests.pipeline.workbench.sample_grid import make_grid


def test_three_wins_of_four_are_a_gap_of_the_logarithm_of_three() -> None:
    found = strengths(2, [(0, 1, 1.0)] * 3 + [(1, 0, 1.0)], prior_sd=1000)
    assert found.values[0] - found.values[1] == pytest.approx(math.log(3), abs=1e-4)
    # Fisher: n p (1 - p) = 4 * 3/4 * 1/4, so the gap's standard error is sqrt(4/3).
    assert found.gap_variance(0, 1) == pytest.approx(4 / 3, rel=1e-3)
    assert not found.is_sure(0, 1)


def test_without_votes_all_are_equal_and_as_unsure_as_the_prior() -> None:
    found = strengths(3, [], prior_sd=2.0)
    assert list(found.values) == [0, 0, 0]
    assert found.interval(1) == pytest.approx((-1.96 * 2, 1.96 * 2))


def test_one_vote_moves_both_by_what_the_prior_allows() -> None:
    found = strengths(2, [(0, 1, 1.0)], prior_sd=1.0)
    x = float(found.values[0])
    assert found.values[1] == pytest.approx(-x)
    assert x == pytest.approx(1 - 1 / (1 + math.exp(-2 * x)))  # the slope of the posterior is 0
    assert x == pytest.approx(0.3374, abs=1e-4)


def test_draws_bring_places_together_and_transitive_wins_order_them() -> None:
    drawn = strengths(2, [(0, 1, 0.5)] * 20)
    assert drawn.values[0] == pytest.approx(0)
    chain = strengths(3, [(0, 1, 1.0)] * 10 + [(1, 2, 1.0)] * 10)
    assert chain.values[0] > chain.values[1] > chain.values[2]
    assert chain.is_sure(0, 2)
    assert chain.worth(0, 2) < chain.worth(0, 1)  # its outcome is all but certain


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleGrid:
    monkeypatch.chdir(tmp_path)
    make_grid(tmp_path)
    return SampleGrid(Desk())


def name_of(grid: SampleGrid, first: str, second: str, prompt: int, seed: int) -> str:
    return Pair(grid.name, first, second, prompt, seed).name


def test_a_vote_is_a_line_that_names_the_better_place_whatever_its_side(grid: SampleGrid) -> None:
    grid.refresh()
    assert [place["label"] for place in grid.places] == ["base alone", "epoch 1", "epoch 2", "epoch 3"]
    grid.vote([3, 1], prompt=2, seed=7, choice="left", seen=None)
    grid.vote([1, 2], prompt=1, seed=7, choice="left", seen=None)
    grid.vote([1, 2], prompt=1, seed=8, choice="equal", seen=None)
    assert grid.desk.values("votes") == {
        name_of(grid, "epoch 1", "epoch 3", 2, 7): "second",
        name_of(grid, "epoch 1", "epoch 2", 1, 7): "first",
        name_of(grid, "epoch 1", "epoch 2", 1, 8): "equal",
    }
    assert VOTES.read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("sides", "prompt", "seed"), [([0, 1], 1, 7), ([1, 1], 1, 7), ([1, 9], 1, 7), ([1, 2], 3, 7)]
)
def test_a_vote_on_what_is_not_in_the_grid_is_refused(
    grid: SampleGrid, sides: list[int], prompt: int, seed: int
) -> None:
    with pytest.raises(UserError, match="another now"):
        grid.vote(sides, prompt, seed, "left", None)
    assert not VOTES.exists()


def test_pairs_come_until_every_one_has_a_vote_and_none_twice(grid: SampleGrid) -> None:
    asked = set()
    for _ in range(12):  # 3 pairs of places, 2 prompts, 2 seeds; the base alone is not voted on
        pair = grid.next_pair()
        asked.add((*sorted(pair["sides"]), pair["prompt"], pair["seed"]))
        assert 0 not in pair["sides"]
        grid.vote(pair["sides"], pair["prompt"], pair["seed"], "left", None)
    assert len(asked) == 12
    assert grid.next_pair() == {"done": "every pair has a vote"}


def test_votes_of_an_eye_that_prefers_later_epochs_order_the_places(grid: SampleGrid) -> None:
    for _ in range(12):
        pair = grid.next_pair()
        left, right = pair["sides"]
        grid.vote(pair["sides"], pair["prompt"], pair["seed"], "left" if left > right else "right", None)
    shown = grid.shown()
    assert [row["place"] for row in shown["ranking"]] == [3, 2, 1]
    assert all(row["low"] < row["strength"] < row["high"] and row["votes"] == 8 for row in shown["ranking"])
    # The scores of the grid fall with the epoch: none of the three pairs is ordered alike.
    assert shown["agreement"] == "votes and scores order 0 of 3 pairs of places alike"


def test_votes_on_an_older_grid_are_kept_and_not_counted(grid: SampleGrid) -> None:
    pair = grid.next_pair()
    grid.vote(pair["sides"], pair["prompt"], pair["seed"], "left", None)
    content: dict[str, Any] = json.loads(GRID_FILE.read_text())
    content["settings"] = {"steps": 3}
    GRID_FILE.write_text(json.dumps(content))
    assert grid.shown()["votes"] == 0
    assert len(grid.desk.values("votes")) == 1


@pytest.mark.parametrize("text", ["epoch 1: first\n", '"0123456789ab a | b | 1 | 2": better\n', "- a list\n"])
def test_a_wrong_line_is_a_sentence(grid: SampleGrid, text: str) -> None:
    VOTES.parent.mkdir(exist_ok=True)
    VOTES.write_text(text)
    with pytest.raises(UserError, match=r"data/votes\.yaml"):
        grid.shown()


def test_a_folder_without_a_grid_has_no_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SampleGrid(Desk()).shown()["places"] == []
