"""The file that the votes choose, once they choose it surely: `merge.epoch: voted`."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.votes.grid_places import GRID_FILE, GridPlace, grid_name, places_of, votes_on
from pipeline.votes.strengths import strengths_by_votes
from pipeline.votes.vote_file import VOTES, Choice, Pair, cast_votes, read_votes, votes_hash

LEAST_AHEAD = 1e-6
"""Strengths that differ by less are the same: they come from iterations."""
HOW_TO_VOTE = "`make look`, Grid, key v"


@dataclass(frozen=True)
class Standing:
    """`rival`: the best place of another file that the leader is not surely better than; `missing`: about how
    many more votes on these two may decide, None if they look alike.
    """

    leader: GridPlace
    rival: GridPlace | None
    missing: int | None
    num_votes: int
    is_tied: bool = False
    is_behind_base: bool = False

    @property
    def is_ahead(self) -> bool:
        """Whether the votes prefer the leader to all others at all."""
        return not (self.is_tied or self.is_behind_base)

    @property
    def sentence(self) -> str:
        """Who leads, and whether surely."""
        votes = _number(self.num_votes, "vote")
        if self.is_behind_base:
            return f"{votes}: the base alone leads"
        if self.is_tied:
            return f"{votes}: none leads; the best look as good as each other"
        if self.rival is None:
            return f"{votes}: {self.leader.label} is surely the best"
        more = (
            "they look as good as each other"
            if self.missing is None
            else f"about {_number(self.missing, 'more vote')} on these two may decide"
        )
        return f"{votes}: {self.leader.label} leads, but not surely before {self.rival.label}; {more}"


@dataclass(frozen=True)
class Winner:
    """`file`: a network of the training; `weight`: at which its place was drawn."""

    file: str
    place: str
    weight: float
    num_votes: int


def standing(places: Sequence[GridPlace], votes: Sequence[tuple[Pair, Choice]]) -> Standing | None:
    """None without votes. Weights of one file are no rivals: a merge takes the file."""
    if not votes:
        return None
    found = strengths_by_votes([place.label for place in places], votes)
    drawn = [number for number, place in enumerate(places) if place.network]
    drawn.sort(key=lambda number: (-found.values[number], number))
    first = drawn[0]
    rivals = [number for number in drawn if places[number].network != places[first].network]
    second = next((number for number in rivals if not found.is_sure(first, number)), None)
    most = found.values[first] + LEAST_AHEAD
    is_behind = any(found.values[number] > most for number in set(range(len(places))) - set(drawn))
    if second is None:
        return Standing(places[first], None, 0, len(votes), is_behind_base=is_behind)
    is_tied = bool(found.values[second] > found.values[first] - LEAST_AHEAD)
    missing = found.votes_to_go(first, second)
    return Standing(places[first], places[second], missing, len(votes), is_tied, is_behind)


def voted(expected: str | None, files: Collection[str]) -> Winner:
    """`expected`: hash of the votes that `compose` has read; `files`: the training's networks. A user error
    while the votes do not say which.
    """
    entries = read_votes()
    if votes_hash(entries) != expected:
        raise UserError(f"{VOTES} has changed since `dvc repro` began; type `dvc repro` again")
    data = GRID_FILE.read_bytes()
    places = places_of(json.loads(data))
    found = standing(places, votes_on(places, grid_name(data), entries))
    if found is None:
        raise UserError(_none(len(cast_votes(entries))))
    return _winner(found, files)


def _none(on_others: int) -> str:
    older = f" ({on_others} on other grids do not count)" if on_others else ""
    return (
        f"merge.epoch is voted, but {VOTES} has no vote on the grid as it is now{older}; vote"
        f" ({HOW_TO_VOTE}), then type `dvc repro`, or set merge.epoch to best"
    )


def _winner(found: Standing, files: Collection[str]) -> Winner:
    leader = found.leader
    if leader.network is None or not leader.is_plain or leader.network not in files:
        raise UserError(
            f"merge.epoch is voted, and the votes prefer {leader.label}: this is not a network of the"
            " training on the run's own base with every block at full weight, which merge.epoch names; use"
            " merge.recipe, or set merge.epoch to a number"
        )
    if found.rival is not None:
        raise UserError(
            f"merge.epoch is voted, but undecided: {found.sentence}: vote ({HOW_TO_VOTE}), then type"
            f" `dvc repro`, or set merge.epoch to {leader.epoch} yourself"
        )
    return Winner(leader.network, leader.label, leader.weight, found.num_votes)


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
