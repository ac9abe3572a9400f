"""data/votes.yaml: lines that are refused, and the hash that compose keeps."""

import re
from typing import Any

import pytest

from pipeline.votes.vote_file import Pair, counted, vote_faults, votes_hash

GRID = "0123456789ab"
PAIR = Pair(GRID, "epoch 1", "epoch 2", 1, 7)


@pytest.mark.parametrize(
    ("mark", "fault"),
    [
        ({"stars": 6}, "stars: 6 is not allowed; give 0 to 5"),
        ({"stars": True}, "stars: True"),
        ({"stars": 1.5}, "stars: 1.5"),
        ({"note": "x" * 501}, "at most 500 letters"),
        ({"note": 3}, "at most 500 letters, in quotes"),
        ({"star": 3}, "star is not allowed (stars, note)"),
    ],
)
def test_a_wrong_mark_is_a_sentence_that_names_it(mark: dict[str, Any], fault: str) -> None:
    (said,) = vote_faults(f"{GRID} epoch 1", mark)
    assert re.match(rf"data/votes\.yaml: {GRID} epoch 1: ", said)
    assert fault in said


def test_a_mark_without_a_grid_is_a_sentence() -> None:
    (said,) = vote_faults("epoch 1", {"stars": 3})
    assert "does not name a place of a grid" in said


def test_only_votes_on_this_grid_count_and_marks_never() -> None:
    other = Pair("f" * 12, "epoch 1", "epoch 2", 1, 7)
    entries = {PAIR.name: "first", other.name: "second", PAIR.name.replace("7", "8"): {"stars": 1}}
    assert counted(entries, GRID) == [(PAIR, "first")]


def test_the_hash_follows_votes_whatever_their_order_and_no_stars() -> None:
    other = Pair(GRID, "epoch 1", "epoch 3", 1, 7)
    entries = {PAIR.name: "first", other.name: "equal"}
    digest = votes_hash(entries)
    assert digest == votes_hash({f"{GRID} epoch 1": {"stars": 3}, **dict(reversed(entries.items()))})
    assert digest != votes_hash({**entries, PAIR.name: "second"})
    assert votes_hash({f"{GRID} epoch 1": {"stars": 3}}) is None
