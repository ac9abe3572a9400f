"""What the votes and stars on the sample grid say, for the page."""

from itertools import pairwise
from typing import Any

from pipeline.votes.vote_file import mark_name
from pipeline.workbench.bake import can_bake, merge_now
from pipeline.workbench.grid import SampleGrid


def shown(grid: SampleGrid) -> dict[str, Any]:
    """Everything on /grid."""
    grid.refresh()
    desk, num_votes = grid.desk, len(grid.votes())
    entries = desk.values("votes")
    marks = [entries.get(mark_name(grid.name, place.label)) for place in grid.places]
    rows = [
        {**row, "canBake": can_bake(place), **(mark or {})}
        for row, place, mark in zip(grid.rows, grid.places, marks, strict=True)
    ]
    return {
        "places": rows, "prompts": grid.prompts, "seeds": grid.seeds, "votes": num_votes,
        "ranking": ranking(grid) if grid.places else [], "agreement": agreement(grid),
        "standing": standing_of(grid), "merge": merge_now(grid),
        "files": desk.hashes(), "undo": len(desk.journal.done), "redo": len(desk.journal.undone),
    }  # fmt: skip


def standing_of(grid: SampleGrid) -> str:
    """Who leads; empty without votes."""
    if not grid.votes():
        return ""
    from pipeline.votes.winner import standing  # loads numpy

    found = standing(grid.places, grid.votes())
    return found.sentence if found else ""


def ranking(grid: SampleGrid) -> list[dict[str, Any]]:
    """Places that can be voted on, the best first."""
    found, votes = grid.strengths(), grid.votes()
    rows = list[dict[str, Any]]()
    for number in grid.voted_on():
        label, (low, high) = grid.places[number].label, found.interval(number)
        rows.append(
            {"place": number, "strength": float(found.values[number]), "low": low, "high": high,
             "votes": sum(label in (pair.first, pair.second) for pair, _ in votes)}
        )  # fmt: skip
    rows.sort(key=lambda row: (-row["strength"], row["place"]))
    for row, after in pairwise(rows):
        row["isSure"] = found.is_sure(row["place"], after["place"])
    return rows


def agreement(grid: SampleGrid) -> str:
    """Of the tagger's scores with the votes, in words."""
    if not grid.votes():
        return ""
    values = grid.strengths().values
    totals = {n: sum(grid.rows[n]["score"].values()) for n in grid.voted_on() if grid.rows[n]["score"]}
    pairs = [
        (a, b) for a in totals for b in totals if a < b and totals[a] != totals[b] and values[a] != values[b]
    ]
    alike = sum((totals[a] > totals[b]) == (values[a] > values[b]) for a, b in pairs)
    return f"votes and scores order {alike} of {len(pairs)} pairs of places alike" if pairs else ""
