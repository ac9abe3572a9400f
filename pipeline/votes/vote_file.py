"""data/votes.yaml: blind votes between two pictures of the sample grid, stars and notes of its places; a line
each, kept in git.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_bytes
from pipeline.pictures.by_hand import entries_of, read_entries

VOTES = Path("data/votes.yaml")
Choice = Literal["first", "second", "equal", "neither"]
VOTE_CHOICES: tuple[Choice, ...] = ("first", "second", "equal", "neither")
MOST_STARS, MOST_NOTE = 5, 500
VOTE_NAME = re.compile(
    r"(?P<grid>[0-9a-f]{12}) (?P<first>.+) \| (?P<second>.+) \| (?P<prompt>\d{1,6}) \| (?P<seed>\d{1,20})"
)
MARK_NAME = re.compile(r"(?P<grid>[0-9a-f]{12}) (?P<place>.+)")
VOTE_EXAMPLE = '"1a2b3c4d5e6f epoch 5 | epoch 10 | 2 | 4": second'
MARK_EXAMPLE = '"1a2b3c4d5e6f epoch 5": {stars: 4, note: the eyes melt}'


@dataclass(frozen=True)
class Pair:
    """Two places of a grid (by label, in the grid's order) with the same prompt (its number) and seed."""

    grid: str
    first: str
    second: str
    prompt: int
    seed: int

    @property
    def name(self) -> str:
        """Its entry in the file."""
        return f"{self.grid} {self.first} | {self.second} | {self.prompt} | {self.seed}"

    @classmethod
    def read(cls, name: str) -> Self | None:
        if not (match := VOTE_NAME.fullmatch(name)):
            return None
        return cls(match["grid"], match["first"], match["second"], int(match["prompt"]), int(match["seed"]))


def mark_name(grid: str, place: str) -> str:
    """The entry of a place's stars and note."""
    return f"{grid} {place}"


def vote_faults(name: str, value: Any) -> list[str]:
    """What is wrong with an entry."""
    if isinstance(value, Mapping):
        return _mark_faults(name, value)
    if Pair.read(name) is None:
        return [
            f"{VOTES}: {name} is not a vote; a line is like {VOTE_EXAMPLE}, or of one place {MARK_EXAMPLE}"
        ]
    return (
        []
        if value in VOTE_CHOICES
        else [f"{VOTES}: {name}: found {value!r}; allowed: {', '.join(VOTE_CHOICES)}"]
    )


def _mark_faults(name: str, mark: Mapping[Any, Any]) -> list[str]:
    if not MARK_NAME.fullmatch(name):
        return [f"{VOTES}: {name} does not name a place of a grid; a line is like {MARK_EXAMPLE}"]
    stars, note = mark.get("stars", 0), mark.get("note", "")
    faults = [f"{each} is not allowed (stars, note)" for each in mark if each not in ("stars", "note")]
    if type(stars) is not int or not 0 <= stars <= MOST_STARS:
        faults.append(f"stars: {stars!r} is not allowed; give 0 to {MOST_STARS}")
    if not isinstance(note, str) or len(note) > MOST_NOTE:
        faults.append(f"note: give a text of at most {MOST_NOTE} letters, in quotes")
    return [f"{VOTES}: {name}: {fault}" for fault in faults]


def votes_of(text: str) -> dict[str, Any]:
    """By name; a user error for anything else."""
    return _checked(entries_of(text, VOTES, VOTE_EXAMPLE))


def read_votes() -> dict[str, Any]:
    """As `votes_of`, of the file; nothing without one."""
    return _checked(read_entries(VOTES, VOTE_EXAMPLE))


def _checked(entries: dict[str, Any]) -> dict[str, Any]:
    if problems := [fault for name, value in entries.items() for fault in vote_faults(name, value)]:
        raise UserError(*problems)
    return entries


def cast_votes(entries: Mapping[str, Any]) -> list[tuple[Pair, Choice]]:
    """The votes on all grids."""
    pairs = [
        (Pair.read(name), cast("Choice", value)) for name, value in entries.items() if value in VOTE_CHOICES
    ]
    return [(pair, choice) for pair, choice in pairs if pair is not None]


def counted(entries: Mapping[str, Any], grid: str) -> list[tuple[Pair, Choice]]:
    """The votes on this grid."""
    return [(pair, choice) for pair, choice in cast_votes(entries) if pair.grid == grid]


def votes_hash(entries: Mapping[str, Any]) -> str | None:
    """Of all votes, whatever their order; stars and notes do not count. None without votes."""
    lines = sorted(f"{pair.name}\0{choice}" for pair, choice in cast_votes(entries))
    return sha256_of_bytes("\n".join(lines).encode()) if lines else None
