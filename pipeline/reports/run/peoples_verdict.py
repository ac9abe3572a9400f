"""What people's blind votes on the grid say of the proposed place, which they do not change. Pure."""

from collections.abc import Sequence

from pipeline.votes.grid_places import GridPlace
from pipeline.votes.strengths import strengths_by_votes
from pipeline.votes.vote_file import Choice, Pair
from pipeline.votes.winner import standing


def peoples_verdict(
    places: Sequence[GridPlace], votes: Sequence[tuple[Pair, Choice]], file: str, weight: float | None
) -> list[str]:
    """Who leads and by how many votes, whether that is the proposed place, and how many found both pictures
    bad. Empty without votes. `file`, `weight`: the proposed place's.
    """
    drawn = [place for place in places if place.network]
    found = standing(places, votes) if drawn else None
    if found is None:
        return []
    proposed = [
        place for place in drawn if place.is_plain and (place.network, place.weight) == (file, weight)
    ]
    own = sum(found.leader.label in (pair.first, pair.second) for pair, _ in votes)
    said = [f"{found.sentence}.", f"It is in {own} of them."]
    if proposed:
        said.append(_agreement(places, votes, found.leader, proposed[0]))
    if bad := sum(choice == "neither" for _, choice in votes):
        said.append(f"In {bad} of {len(votes)} both pictures were bad.")
    return said


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
