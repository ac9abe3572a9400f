"""What votes say of the proposed place."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.reports.run.peoples_verdict import NO_VOTES, peoples_verdict
from pipeline.votes.grid_places import GridPlace
from pipeline.votes.vote_file import Choice, Pair

PLACES = [
    GridPlace("base alone", 0, 0, 0, None, 0, 0.0, is_plain=True),
    *(GridPlace(f"epoch {n}", 0, n, 0, f"net-{n}", n, 1.0, is_plain=True) for n in (1, 2, 3)),
]
ONE, TWO, THREE = "epoch 1", "epoch 2", "epoch 3"


def cast(first: str, second: str, choice: Choice, number: int) -> list[tuple[Pair, Choice]]:
    return [(Pair("0" * 12, first, second, 1, seed), choice) for seed in range(number)]


def said(votes: Sequence[tuple[Pair, Choice]], file: str) -> list[str]:
    return list(peoples_verdict(PLACES, votes, file, 1.0).sentences)


CLEAR = [*cast(ONE, TWO, "second", 20), *cast(TWO, THREE, "first", 20), *cast(ONE, THREE, "equal", 4)]


def test_without_votes_nothing_is_said() -> None:
    assert said([], "net-1") == []
    assert peoples_verdict(PLACES[:1], cast(ONE, TWO, "first", 3), "net-1", 1.0) == NO_VOTES


def test_votes_that_prefer_the_proposed_place_agree() -> None:
    assert said(CLEAR, "net-2") == [
        "44 votes: epoch 2 is surely the best.",
        "It is in 40 of them.",
        "That is the proposed one: people and measures agree.",
    ]


def test_the_leader_is_a_place_that_a_picture_can_be_shown_of() -> None:
    assert peoples_verdict(PLACES, CLEAR, "net-1", 1.0).leader == ("net-2", 1.0)
    parts = [replace(place, is_plain=False) for place in PLACES]
    assert peoples_verdict(parts, CLEAR, "net-1", 1.0).leader is None


def test_votes_that_surely_prefer_another_disagree() -> None:
    assert said(CLEAR, "net-3")[2] == (
        "They surely prefer it to the proposed epoch 3: people and measures disagree."
    )


def test_few_votes_leave_it_open() -> None:
    first, _, last = said(cast(ONE, TWO, "second", 1), "net-1")
    assert first.startswith("1 vote: epoch 2 leads, but not surely before")
    assert last == "Whether it is better than the proposed epoch 1, they leave open."


def test_votes_on_other_places_only_say_so() -> None:
    assert said(cast(ONE, TWO, "second", 20), "net-3")[2] == "No vote is on the proposed epoch 3."


def test_pictures_that_are_both_bad_are_counted() -> None:
    votes = [*cast(ONE, TWO, "second", 3), *cast(TWO, THREE, "neither", 2)]
    assert said(votes, "net-2")[-1] == "In 2 of 5 both pictures were bad."


def test_a_proposal_that_the_grid_did_not_draw_gets_no_agreement() -> None:
    assert len(said(CLEAR, "net-9")) == 2


@pytest.mark.parametrize("choice", ["equal", "neither"])
def test_votes_that_prefer_nothing_have_no_leader(choice: Choice) -> None:
    found = peoples_verdict(PLACES, cast(ONE, TWO, choice, 10), "net-1", 1.0)
    assert found.leader is None
    assert found.sentences[0] == "10 votes: none leads; the best look as good as each other."
    assert not any("agree" in each or "It is in" in each for each in found.sentences)
    circle = [*cast(ONE, TWO, "first", 5), *cast(TWO, THREE, "first", 5), *cast(THREE, ONE, "first", 5)]
    assert peoples_verdict(PLACES, circle, "net-1", 1.0).leader is None


def test_where_the_base_alone_leads_no_place_that_nobody_voted_for_does() -> None:
    found = peoples_verdict(PLACES, cast("base alone", TWO, "first", 30), "net-1", 1.0)
    assert found.leader is None
    assert found.sentences == ["30 votes: the base alone leads."]


def test_votes_on_other_grids_are_not_lost_without_a_word() -> None:
    other = "Votes on other grids, which do not count: 7."
    assert list(peoples_verdict(PLACES, [], "net-1", 1.0, 7).sentences) == [other]
    assert peoples_verdict(PLACES, CLEAR, "net-2", 1.0, 7).sentences[-1] == other
    assert other not in peoples_verdict(PLACES, CLEAR, "net-2", 1.0).sentences
