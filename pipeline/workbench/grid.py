"""/grid: the sample grid's places, the next pair to vote on, votes and stars."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.votes.grid_places import GRID_FILE, GridPlace, grid_name, places_of, votes_on
from pipeline.votes.vote_file import Choice, Pair, mark_name
from pipeline.workbench.desk import Desk
from pipeline.workbench.gate import handle_of

if TYPE_CHECKING:
    from pipeline.votes.strengths import Strengths

SAMPLE_GRID = GRID_FILE.parent


class SampleGrid:
    """Read again when the file changes. `files`: the pictures by a handle that names nothing."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.stamp, self.name = desk, 0, ""
        self.places: list[GridPlace] = []
        self.rows: list[dict[str, Any]] = []
        self.prompts: list[str] = []
        self.seeds: list[int] = []
        self.files: dict[str, Path] = {}

    def refresh(self) -> None:
        stamp = GRID_FILE.stat().st_mtime_ns if GRID_FILE.exists() else 0
        if stamp == self.stamp:
            return
        self.stamp, self.places, self.rows, self.files, self.prompts, self.seeds = 0, [], [], {}, [], []
        if stamp:
            try:
                self._read(GRID_FILE.read_bytes())
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise UserError(
                    f"{GRID_FILE} is not a sample grid ({type(error).__name__}: {str(error)[:100]});"
                    " `dvc repro sample-grid` writes it anew"
                ) from None
        self.stamp = stamp

    def _read(self, data: bytes) -> None:
        self.name, content = grid_name(data), json.loads(data)
        pictures = [each for cell in content["cells"] for each in cell["pictures"]]
        self.prompts = list(dict.fromkeys(each["prompt"] for each in pictures))
        self.seeds = list(dict.fromkeys(each["seed"] for each in pictures))
        self.places = places_of(content)
        self.rows = [
            self._row(place, cell) for place, cell in zip(self.places, content["cells"], strict=True)
        ]

    def _row(self, place: GridPlace, cell: dict[str, Any]) -> dict[str, Any]:
        """For the page."""
        pictures = {}
        for each in cell["pictures"]:
            path = SAMPLE_GRID / each["file"]
            handle = handle_of(self.name, str(path))
            self.files[handle] = path
            pictures[f"{self.prompts.index(each['prompt']) + 1}-{each['seed']}"] = handle
        score = {name: value for name, value in (cell.get("score") or {}).items() if value is not None}
        return {
            "label": place.label, "row": place.row, "column": place.column, "sheet": place.sheet,
            "isBase": not place.network, "pictures": pictures, "score": score,
            "figures": {name: value for name, value in cell["figures"].items() if value is not None},
        }  # fmt: skip

    def votes(self) -> list[tuple[Pair, Choice]]:
        return votes_on(self.places, self.name, self.desk.values("votes"))

    def strengths(self) -> "Strengths":
        from pipeline.votes.strengths import strengths_by_votes  # loads numpy

        return strengths_by_votes([place.label for place in self.places], self.votes())

    def voted_on(self) -> list[int]:
        """Places that can be voted on."""
        return [number for number, place in enumerate(self.places) if place.network]

    def next_pair(self) -> dict[str, Any]:
        """The pair whose vote tells most, its sides by chance; `done`: a sentence when there is none."""
        self.refresh()
        votes = self.votes()
        asked, found = {pair for pair, _ in votes}, self.strengths()
        chance = Random(len(votes))
        open_pairs = [each for each in self._pairs() if self._pair(*each) not in asked]
        if not open_pairs:
            return {"done": "every pair has a vote" if votes else "the grid has no two places to compare"}
        best = max(found.worth(one, other) for one, other, _, _ in open_pairs)
        chosen = chance.choice([pair for pair in open_pairs if found.worth(*pair[:2]) > 0.999 * best])
        one, other, prompt, seed = chosen
        sides = chance.sample([one, other], 2)
        handles = [self.rows[side]["pictures"][f"{prompt}-{seed}"] for side in sides]
        return {"sides": sides, "handles": handles, "prompt": prompt, "seed": seed, "votes": len(votes)}

    def _pairs(self) -> Iterator[tuple[int, int, int, int]]:
        numbers = self.voted_on()
        for place, one in enumerate(numbers):
            for other in numbers[place + 1 :]:
                both = self.rows[one]["pictures"].keys() & self.rows[other]["pictures"].keys()
                for name in sorted(both):
                    prompt, _, seed = name.partition("-")
                    yield one, other, int(prompt), int(seed)

    def _pair(self, one: int, other: int, prompt: int, seed: int) -> Pair:
        return Pair(self.name, self.places[one].label, self.places[other].label, prompt, seed)

    def vote(self, sides: list[int], prompt: int, seed: int, choice: str, seen: str | None) -> str:
        """`choice`: left, right, equal or neither."""
        self.refresh()
        one, other = sorted(sides)
        if (one, other, prompt, seed) not in set(self._pairs()):
            raise UserError("the grid is another now; look at it again")
        winner = {"left": sides[0], "right": sides[1]}.get(choice)
        written = choice if winner is None else "first" if winner == one else "second"
        self.desk.write("votes", {self._pair(one, other, prompt, seed).name: written}, seen, "1 vote")
        return written

    def mark(self, place: str, stars: int, note: str, seen: str | None) -> str:
        """Writes a place's stars and note; without both its line goes."""
        self.refresh()
        if place not in {each.label for each in self.places}:
            raise UserError("the grid is another now; look at it again")
        mark: dict[str, Any] = {"stars": stars} if stars else {}
        mark |= {"note": note.strip()} if note.strip() else {}
        said = f"{place}: {stars} of 5 stars{', with a note' if 'note' in mark else ''}"
        self.desk.write("votes", {mark_name(self.name, place): mark or None}, seen, said)
        return said
