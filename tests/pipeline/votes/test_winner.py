"""`merge.epoch: voted`: who wins, and when nobody does."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.files.atomic import write_text
from pipeline.votes.grid_places import GRID_FILE, GridPlace, grid_name, places_of, votes_on
from pipeline.votes.vote_file import VOTES, Choice, Pair, read_votes, votes_hash
from pipeline.votes.winner import Winner, standing, voted

FILES = ("net-1", "net-2", "net-3")


def cell(row: int, column: int, **other: Any) -> dict[str, Any]:
    network = f"net-{row}" if row else None
    return {
        "row": row,
        "column": column,
        "network": network,
        "epoch": row,
        "weight": 0.5 + column / 2,
        **other,
    }


@pytest.fixture(autouse=True)
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The base and three epochs at two weights."""
    monkeypatch.chdir(tmp_path)
    cells = [cell(0, 0), *(cell(row, column) for row in (1, 2, 3) for column in (0, 1))]
    content = {
        "cells": cells, "rows": ["base alone", "epoch 1", "epoch 2", "epoch 3"],
        "columns": ["weight 0.5", "weight 1"], "sheets": [""],
    }  # fmt: skip
    write_text(GRID_FILE, json.dumps(content))
    return content


def vote(first: str, second: str, choice: Choice, number: int) -> None:
    name = grid_name(GRID_FILE.read_bytes())
    lines = [f'"{Pair(name, first, second, 1, seed).name}": {choice}\n' for seed in range(number)]
    write_text(VOTES, (VOTES.read_text() if VOTES.exists() else "") + "".join(lines))


def winner() -> Winner:
    return voted(votes_hash(read_votes()), FILES)


def places() -> list[GridPlace]:
    return places_of(json.loads(GRID_FILE.read_text()))


def test_the_winner_is_taken_once_it_is_surely_better_than_every_other_epoch() -> None:
    best = "epoch 2, weight 1"
    for other in ("epoch 1, weight 0.5", "epoch 1, weight 1"):
        vote(other, best, "second", 12)
    for other in ("epoch 3, weight 0.5", "epoch 3, weight 1"):
        vote(best, other, "first", 12)
    assert winner() == Winner("net-2", best, 1.0, 48)


def test_two_weights_of_one_epoch_need_not_be_told_apart() -> None:
    """A merge takes the file; its strength is merge.alpha."""
    best = ("epoch 3, weight 0.5", "epoch 3, weight 1")
    for other in ("epoch 1, weight 0.5", "epoch 1, weight 1", "epoch 2, weight 0.5", "epoch 2, weight 1"):
        for each in best:
            vote(other, each, "second", 12)
    vote(*best, "equal", 4)
    assert winner().file == "net-3"


def test_undecided_votes_are_a_sentence_with_both_places_and_how_many_more() -> None:
    vote("epoch 1, weight 1", "epoch 2, weight 1", "second", 4)
    with pytest.raises(UserError) as caught:
        winner()
    (said,) = caught.value.problems
    assert "4 votes: epoch 2, weight 1 leads, but not surely before epoch 1, weight 0.5; about" in said
    assert "more votes on these two may decide" in said
    assert "set merge.epoch to 2 yourself" in said


def test_places_that_are_always_equal_look_alike() -> None:
    vote("epoch 1, weight 1", "epoch 2, weight 1", "equal", 9)
    name = grid_name(GRID_FILE.read_bytes())
    found = standing(places(), votes_on(places(), name, read_votes()))
    assert found is not None
    assert found.missing is None
    assert found.sentence.endswith("none leads; the best look as good as each other")


def test_no_vote_or_only_votes_on_an_older_grid_are_a_sentence_with_the_cure(grid: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"no vote on the grid as it is now; vote \(`make look`, Grid, k"):
        winner()
    vote("epoch 1, weight 1", "epoch 2, weight 1", "second", 3)
    write_text(GRID_FILE, json.dumps({**grid, "settings": {"steps": 9}}))
    with pytest.raises(UserError, match=r"as it is now \(3 on other grids do not count\)"):
        winner()


def test_votes_that_came_after_compose_are_not_taken() -> None:
    vote("epoch 1, weight 1", "epoch 2, weight 1", "second", 3)
    with pytest.raises(UserError, match="changed since `dvc repro` began"):
        voted(None, FILES)


@pytest.mark.parametrize(
    "unlike", [{"checkpoint": "other"}, {"merge": "alpha 1"}, {"block_weights": "INS"}, {}]
)
def test_what_merge_cannot_make_is_refused(grid: dict[str, Any], unlike: dict[str, str]) -> None:
    grid["cells"][4] |= unlike
    write_text(GRID_FILE, json.dumps(grid))
    for other in ("epoch 1, weight 0.5", "epoch 1, weight 1"):
        vote(other, "epoch 2, weight 1", "second", 12)
    files = FILES if unlike else ("net-1", "net-3")
    with pytest.raises(UserError, match=r"prefer epoch 2, weight 1: this is not a network of the"):
        voted(votes_hash(read_votes()), files)


@pytest.mark.parametrize(
    ("blocks", "is_plain"), [(None, True), ("ALL", True), ("1, 1,1", True), ("1,0,1", False), ("MIDD", False)]
)
def test_full_block_weights_are_plain(grid: dict[str, Any], blocks: str | None, is_plain: bool) -> None:
    grid["cells"][1]["block_weights"] = blocks
    assert places_of(grid)[1].is_plain == is_plain
