"""/grid: the sample grid's places, the next pair to vote on, and what the votes say."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_bytes
from pipeline.workbench.desk import Desk
from pipeline.workbench.gate import handle_of
from pipeline.workbench.vote_file import Choice, Pair, counted

if TYPE_CHECKING:
    from pipeline.workbench.strengths import Strengths

SAMPLE_GRID = Path("reports/sample-grid")
GRID_FILE = SAMPLE_GRID / "grid.json"
SHARES: dict[str, float] = {"first": 1.0, "second": 0.0, "equal": 0.5, "neither": 0.5}


class SampleGrid:
    """Read again when the file changes. `files`: the pictures by a handle that names nothing."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.stamp, self.name = desk, 0, ""
        self.places: list[dict[str, Any]] = []
        self.prompts: list[str] = []
        self.seeds: list[int] = []
        self.files: dict[str, Path] = {}

    def refresh(self) -> None:
        stamp = GRID_FILE.stat().st_mtime_ns if GRID_FILE.exists() else 0
        if stamp == self.stamp:
            return
        self.stamp, self.places, self.files, self.prompts, self.seeds = stamp, [], {}, [], []
        if not stamp:
            return
        data = GRID_FILE.read_bytes()
        self.name, content = sha256_of_bytes(data)[:12], json.loads(data)
        pictures = [each for cell in content["cells"] for each in cell["pictures"]]
        self.prompts = list(dict.fromkeys(each["prompt"] for each in pictures))
        self.seeds = list(dict.fromkeys(each["seed"] for each in pictures))
        self.places = [self._place(content, cell) for cell in content["cells"]]

    def _place(self, content: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
        row, column, sheet = cell["row"], cell["column"], cell.get("sheet", 0)
        names = [content["rows"][row]]
        if cell["network"]:
            names += [content["columns"][column], content["sheets"][sheet] if content["sheets"] else ""]
        pictures = {}
        for each in cell["pictures"]:
            path = SAMPLE_GRID / each["file"]
            handle = handle_of(self.name, str(path))
            self.files[handle] = path
            pictures[f"{self.prompts.index(each['prompt']) + 1}-{each['seed']}"] = handle
        score = {name: value for name, value in (cell.get("score") or {}).items() if value is not None}
        return {
            "label": ", ".join(filter(None, names)), "row": row, "column": column, "sheet": sheet,
            "isBase": not cell["network"], "pictures": pictures, "score": score,
            "figures": {name: value for name, value in cell["figures"].items() if value is not None},
        }  # fmt: skip

    def votes(self) -> list[tuple[Pair, Choice]]:
        labels = {place["label"] for place in self.places}
        found = counted(self.desk.values("votes"), self.name)
        return [(pair, choice) for pair, choice in found if {pair.first, pair.second} <= labels]

    def strengths(self) -> "Strengths":
        from pipeline.workbench.strengths import strengths  # loads numpy

        numbers = {place["label"]: number for number, place in enumerate(self.places)}
        results = [(numbers[p.first], numbers[p.second], SHARES[choice]) for p, choice in self.votes()]
        return strengths(len(self.places), results)

    def shown(self) -> dict[str, Any]:
        """For the page."""
        self.refresh()
        journal = self.desk.journal
        return {
            "places": self.places, "prompts": self.prompts, "seeds": self.seeds, "votes": len(self.votes()),
            "ranking": self._ranking() if self.places else [], "agreement": self._agreement(),
            "files": self.desk.hashes(), "undo": len(journal.done), "redo": len(journal.undone),
        }  # fmt: skip

    def _ranking(self) -> list[dict[str, Any]]:
        """Places that can be voted on, the best first."""
        found, votes = self.strengths(), self.votes()
        rows = list[dict[str, Any]]()
        for number in self._voted_on():
            label, (low, high) = self.places[number]["label"], found.interval(number)
            rows.append(
                {"place": number, "strength": float(found.values[number]), "low": low, "high": high,
                 "votes": sum(label in (pair.first, pair.second) for pair, _ in votes)}
            )  # fmt: skip
        rows.sort(key=lambda row: (-row["strength"], row["place"]))
        for row, after in pairwise(rows):
            row["isSure"] = found.is_sure(row["place"], after["place"])
        return rows

    def _voted_on(self) -> list[int]:
        return [number for number, place in enumerate(self.places) if not place["isBase"]]

    def _agreement(self) -> str:
        """Of the tagger's scores with the votes, in words."""
        if not self.votes():
            return ""
        values = self.strengths().values
        totals = {
            n: sum(self.places[n]["score"].values()) for n in self._voted_on() if self.places[n]["score"]
        }
        pairs = [
            (a, b)
            for a in totals
            for b in totals
            if a < b and totals[a] != totals[b] and values[a] != values[b]
        ]
        alike = sum((totals[a] > totals[b]) == (values[a] > values[b]) for a, b in pairs)
        return f"votes and scores order {alike} of {len(pairs)} pairs of places alike" if pairs else ""

    def next_pair(self) -> dict[str, Any]:
        """The pair whose vote tells most, its sides by chance; `done`: a sentence when there is none."""
        self.refresh()
        votes = self.votes()
        asked, found = {pair for pair, _ in votes}, self.strengths()
        chance = Random(len(votes))
        open_pairs = [pair for pair in self._pairs() if self._pair(*pair) not in asked]
        if not open_pairs:
            return {"done": "every pair has a vote" if votes else "the grid has no two places to compare"}
        best = max(found.worth(one, other) for one, other, _, _ in open_pairs)
        chosen = chance.choice([pair for pair in open_pairs if found.worth(*pair[:2]) > 0.999 * best])
        one, other, prompt, seed = chosen
        sides = chance.sample([one, other], 2)
        handles = [self.places[side]["pictures"][f"{prompt}-{seed}"] for side in sides]
        return {"sides": sides, "handles": handles, "prompt": prompt, "seed": seed, "votes": len(votes)}

    def _pairs(self) -> Iterator[tuple[int, int, int, int]]:
        numbers = self._voted_on()
        for place, one in enumerate(numbers):
            for other in numbers[place + 1 :]:
                both = self.places[one]["pictures"].keys() & self.places[other]["pictures"].keys()
                for name in sorted(both):
                    prompt, _, seed = name.partition("-")
                    yield one, other, int(prompt), int(seed)

    def _pair(self, one: int, other: int, prompt: int, seed: int) -> Pair:
        return Pair(self.name, self.places[one]["label"], self.places[other]["label"], prompt, seed)

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
