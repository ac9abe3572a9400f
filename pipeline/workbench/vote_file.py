"""data/votes.yaml: blind votes between two pictures of the sample grid, a line each, kept in git."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

from pipeline.errors import UserError
from pipeline.pictures.by_hand import entries_of

VOTES = Path("data/votes.yaml")
Choice = Literal["first", "second", "equal", "neither"]
VOTE_CHOICES: tuple[Choice, ...] = ("first", "second", "equal", "neither")
VOTE_NAME = re.compile(
    r"(?P<grid>[0-9a-f]{12}) (?P<first>.+) \| (?P<second>.+) \| (?P<prompt>\d{1,6}) \| (?P<seed>\d{1,20})"
)
VOTE_EXAMPLE = '"1a2b3c4d5e6f epoch 5 | epoch 10 | 2 | 4": second'


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


def vote_faults(name: str, value: Any) -> list[str]:
    """What is wrong with an entry."""
    if Pair.read(name) is None:
        return [f"{VOTES}: {name} is not a vote; a line is like {VOTE_EXAMPLE}"]
    return (
        []
        if value in VOTE_CHOICES
        else [f"{VOTES}: {name}: found {value!r}; allowed: {', '.join(VOTE_CHOICES)}"]
    )


def votes_of(text: str) -> dict[str, Any]:
    """By name; a user error for anything else."""
    entries = entries_of(text, VOTES, VOTE_EXAMPLE)
    if problems := [fault for name, value in entries.items() for fault in vote_faults(name, value)]:
        raise UserError(*problems)
    return entries


def counted(entries: dict[str, Any], grid: str) -> list[tuple[Pair, Choice]]:
    """The votes on this grid."""
    pairs = ((Pair.read(name), cast("Choice", value)) for name, value in entries.items())
    return [(pair, choice) for pair, choice in pairs if pair is not None and pair.grid == grid]
