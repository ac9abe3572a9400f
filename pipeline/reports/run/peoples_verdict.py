"""What people's blind votes on the grid say of the proposed place, which they do not change. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.votes.grid_places import GridPlace
from pipeline.votes.strengths import strengths_by_votes
from pipeline.votes.vote_file import Choice, Pair
from pipeline.votes.winner import standing


@dataclass(frozen=True)
class PeoplesVerdict:
    """`sentences`: who leads, if any does, and by how many votes, whether that is the proposed place, and how
    many found both pictures bad; `leader`: its file and weight, if it is a plain place.
    """

    sentences: Sequence[str]
    leader: tuple[str, float] | None


NO_VOTES = PeoplesVerdict((), None)


def peoples_verdict(
    places: Sequence[GridPlace],
    votes: Sequence[tuple[Pair, Choice]],
    file: str,
    weight: float | None,
    num_others: int = 0,
) -> PeoplesVerdict:
    """`file`, `weight`: the proposed place's; `num_others`: votes on other grids."""
    drawn = [place for place in places if place.network]
    found = standing(places, votes) if drawn else None
    others = [f"Votes on other grids, which do not count: {num_others}."] if num_others else []
    if found is None:
        return PeoplesVerdict(others, None) if others else NO_VOTES
    proposed = [
        place for place in drawn if place.is_plain and (place.network, place.weight) == (file, weight)
    ]
    own = sum(found.leader.label in (pair.first, pair.second) for pair, _ in votes)
    said = [f"{found.sentence}.", *([f"It is in {own} of them."] if found.is_ahead else [])]
    if proposed and found.is_ahead:
        said.append(_agreement(places, votes, found.leader, proposed[0]))
    if bad := sum(choice == "neither" for _, choice in votes):
        said.append(f"In {bad} of {len(votes)} both pictures were bad.")
    leader = found.leader
    is_place = found.is_ahead and leader.network is not None and leader.is_plain
    return PeoplesVerdict([*said, *others], (str(leader.network), leader.weight) if is_place else None)


def _agreement(
    places: Sequence[GridPlace],
    votes: Sequence[tuple[Pair, Choice]],
    leader: GridPlace,
    proposed: GridPlace,
) -> str:
    """Of the votes with the proposal."""
    if leader.label == proposed.label:
        return "That is the proposed one: people and measures agree."
    if not any(proposed.label in (pair.first, pair.second) for pair, _ in votes):
        return f"No vote is on the proposed {proposed.label}."
    labels = [place.label for place in places]
    strengths = strengths_by_votes(labels, votes)
    if strengths.is_sure(labels.index(leader.label), labels.index(proposed.label)):
        return f"They surely prefer it to the proposed {proposed.label}: people and measures disagree."
    return f"Whether it is better than the proposed {proposed.label}, they leave open."
