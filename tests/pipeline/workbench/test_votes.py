"""Blind votes and stars in the workbench: the file, and which pair comes next."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.votes.grid_places import GRID_FILE
from pipeline.votes.vote_file import VOTES, Pair
from pipeline.workbench.desk import Desk
from pipeline.workbench.grid import SampleGrid
from pipeline.workbench.ranking import shown
from tests.pipeline.workbench.sample_grid import make_grid


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleGrid:
    monkeypatch.chdir(tmp_path)
    make_grid(tmp_path)
    return SampleGrid(Desk())


def name_of(grid: SampleGrid, first: str, second: str, prompt: int, seed: int) -> str:
    return Pair(grid.name, first, second, prompt, seed).name


def test_a_vote_is_a_line_that_names_the_better_place_whatever_its_side(grid: SampleGrid) -> None:
    grid.refresh()
    assert [place.label for place in grid.places] == ["base alone", "epoch 1", "epoch 2", "epoch 3"]
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
    said = shown(grid)
    assert [row["place"] for row in said["ranking"]] == [3, 2, 1]
    assert all(row["low"] < row["strength"] < row["high"] and row["votes"] == 8 for row in said["ranking"])
    # The scores of the grid fall with the epoch: none of the three pairs is ordered alike.
    assert said["agreement"] == "votes and scores order 0 of 3 pairs of places alike"


def test_votes_on_an_older_grid_are_kept_and_not_counted(grid: SampleGrid) -> None:
    pair = grid.next_pair()
    grid.vote(pair["sides"], pair["prompt"], pair["seed"], "left", None)
    content: dict[str, Any] = json.loads(GRID_FILE.read_text())
    content["settings"] = {"steps": 3}
    GRID_FILE.write_text(json.dumps(content))
    assert shown(grid)["votes"] == 0
    assert len(grid.desk.values("votes")) == 1


@pytest.mark.parametrize("text", ["epoch 1: first\n", '"0123456789ab a | b | 1 | 2": better\n', "- a list\n"])
def test_a_wrong_line_is_a_sentence(grid: SampleGrid, text: str) -> None:
    VOTES.parent.mkdir(exist_ok=True)
    VOTES.write_text(text)
    with pytest.raises(UserError, match=r"data/votes\.yaml"):
        shown(grid)


def test_a_folder_without_a_grid_has_no_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(SampleGrid(Desk()))["places"] == []


def test_stars_and_a_note_are_one_line_of_a_place_and_vanish_without_either(grid: SampleGrid) -> None:
    assert grid.mark("epoch 2", 4, " the eyes melt\n", None) == "epoch 2: 4 of 5 stars, with a note"
    assert grid.desk.values("votes") == {f"{grid.name} epoch 2": {"stars": 4, "note": "the eyes melt"}}
    assert VOTES.read_text().endswith(f"{grid.name} epoch 2: {{stars: 4, note: the eyes melt}}\n")
    said = shown(grid)
    assert (said["places"][2]["stars"], said["places"][2]["note"]) == (4, "the eyes melt")
    assert (said["votes"], said["standing"]) == (0, "")
    grid.mark("epoch 2", 0, "", None)
    assert grid.desk.values("votes") == {}
    grid.desk.undo()
    assert grid.desk.values("votes")[f"{grid.name} epoch 2"]["stars"] == 4
    with pytest.raises(UserError, match="another now"):
        grid.mark("epoch 9", 4, "", None)


@pytest.mark.parametrize("note", ['a "quote": # and {braces}', "two\nlines", "yes", "- dash", "\u202eback"])
def test_every_note_is_read_back_as_it_was_written(grid: SampleGrid, note: str) -> None:
    grid.mark("epoch 1", 0, note, None)
    assert list(SampleGrid(Desk()).desk.values("votes").values()) == [{"note": note}]


def test_the_page_says_who_leads(grid: SampleGrid) -> None:
    grid.refresh()
    grid.vote([1, 2], prompt=1, seed=7, choice="right", seen=None)
    assert shown(grid)["standing"].startswith("1 vote: epoch 2 leads, but not surely before epoch 3; ")
