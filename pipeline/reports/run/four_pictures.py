"""The four pictures next to the verdict, of one prompt and seed: the base alone, the proposed place, its
rival, and the far end of what was drawn. Pure.

The rival is the place that people's votes prefer, where it is another; else the next of the ranking.

The far end is the strongest place (epochs times weight), for it shows what too much looks like. Where the
proposed place or its rival is the strongest, it is the weakest: what too little looks like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GridCell = Mapping[str, Any]
RankedPlace = Mapping[str, Any]
"""A row of ranking.json."""
HOW_DRAWN = (
    "negative_prompt", "sampler", "steps", "guidance", "width", "height", "clip_skip", "second_pass",
)  # fmt: skip
ON_THE_BASE = ("checkpoint", "merge")
STRONGEST, _PEOPLES_CHOICE = "Strongest", "people's choice"


@dataclass(frozen=True)
class VerdictPicture:
    """`role`: why it is shown; `place`: what drew it; `notes`: figures and faults in words; `file`: below the
    grid's folder; `cell`: sheet, row, and number in its row on the grid's page.
    """

    role: str
    place: str
    notes: Sequence[str]
    file: str
    cell: tuple[int, int, int]
    is_proposed: bool = False

    @property
    def anchor(self) -> str:
        """Of the cell on the grid's page."""
        return "cell-" + "-".join(map(str, self.cell))


@dataclass(frozen=True)
class FourPictures:
    """Fewer of them where the grid has fewer places."""

    prompt: str
    seed: int
    pictures: Sequence[VerdictPicture]


def four_pictures(
    grid: Mapping[str, Any],
    ranking: Sequence[RankedPlace],
    measured: Mapping[str, Any],
    voted: tuple[str, float] | None = None,
) -> FourPictures | None:
    """None without a proposed place, or without another one to compare it with. The prompt and seed are the
    proposed place's first that most of the others have too. `measured`: verdict.json; `voted`:
    file and weight that lead the votes.
    """
    roles = _roles(ranking, voted)
    alone, drawn = _pictures(_base_cells(grid)), [_pictures(_cells(grid, row)) for _, row in roles]
    if not roles or not drawn[0]:
        return None
    shared = max(drawn[0], key=lambda each: sum(each in other for other in (alone, *drawn)))
    shown = []
    if shared in alone:
        shown.append(_shown(grid, "The base alone", "", _base_notes(measured), alone[shared]))
    for (role, row), pictures in zip(roles, drawn, strict=True):
        if shared in pictures:
            notes, is_proposed = _notes(row, measured), row is ranking[0]
            shown.append(_shown(grid, role, place_name(row), notes, pictures[shared], is_proposed))
    return FourPictures(shared[0], shared[1], shown) if len(shown) > 1 else None


def place_name(row: RankedPlace) -> str:
    """As the verdict's sentences name it."""
    epoch, weight = row["epoch"], f"weight {row['weight']:g}"
    return f"epoch {epoch} at {weight}" if epoch else f"{row['file']} at {weight}"


def _roles(ranking: Sequence[RankedPlace], voted: tuple[str, float] | None) -> list[tuple[str, RankedPlace]]:
    """The proposed place first; each place once."""
    if not ranking:
        return []
    strongest, weakest = max(ranking, key=_strength), min(ranking, key=_strength)
    preferred = next((row for row in ranking if (row["file"], row["weight"]) == voted), None)
    chosen = [(f"Proposed, {_PEOPLES_CHOICE}" if preferred is ranking[0] else "Proposed", ranking[0])]
    if preferred not in (None, ranking[0]):
        chosen.append((_PEOPLES_CHOICE.capitalize(), preferred))
    elif len(ranking) > 1:
        chosen.append(("As good" if ranking[1]["equal"] else "Next best", ranking[1]))
    ends = ((STRONGEST, strongest), ("Weakest", weakest), *(("Next best", row) for row in ranking[1:3]))
    taken = [row for _, row in chosen]
    chosen += next(([(role, row)] for role, row in ends if not any(row is each for each in taken)), [])
    is_also = {id(strongest): ", the strongest"} if len(ranking) > 1 else {}
    return [(role if role == STRONGEST else role + is_also.get(id(row), ""), row) for role, row in chosen]


def _strength(row: RankedPlace) -> float:
    """Epochs times weight, whatever its sign; of another training's file, epochs unknown, the weight."""
    return float((row["epoch"] or 1) * abs(row["weight"]))


def _cells(grid: Mapping[str, Any], row: RankedPlace) -> list[GridCell]:
    """The place's cells on the run's own base, all blocks at full weight where there are such."""
    every = [
        cell
        for cell in grid["cells"]
        if (cell["network"], cell["weight"]) == (row["file"], row["weight"])
        and all(cell[name] is None for name in ON_THE_BASE)
    ]
    return [cell for cell in every if cell["block_weights"] is None] or every


def _base_cells(grid: Mapping[str, Any]) -> list[GridCell]:
    return [
        cell
        for cell in grid["cells"]
        if cell["network"] is None and all(cell[name] is None for name in ON_THE_BASE)
    ]


def _pictures(cells: Sequence[GridCell]) -> dict[tuple[Any, ...], tuple[GridCell, str]]:
    """(cell, file) by prompt, seed and how it is drawn, the first cell first."""
    found = dict[tuple[Any, ...], tuple[GridCell, str]]()
    for cell in cells:
        how = [cell[name] for name in HOW_DRAWN]
        for each in cell["pictures"]:
            found.setdefault((each["prompt"], each["seed"], *how), (cell, each["file"]))
    return found


def _shown(
    grid: Mapping[str, Any],
    role: str,
    place: str,
    notes: Sequence[str],
    found: tuple[GridCell, str],
    is_proposed: bool = False,
) -> VerdictPicture:
    cell, file = found
    sheet, row = cell["sheet"], cell["row"]
    of_row = [each["column"] for each in grid["cells"] if (each["sheet"], each["row"]) == (sheet, row)]
    number = sum(column < cell["column"] for column in of_row)
    return VerdictPicture(role, place, notes, file, (sheet, row, number), is_proposed)


def _notes(row: RankedPlace, measured: Mapping[str, Any]) -> list[str]:
    """The measure that decides, what the place loses, its faults."""
    found = row["measures"].get(measured["decided_by"])
    lost = [" and ".join(row["lost"])] if row["lost"] else []
    return [*_figure(found, measured), *lost, *row["against"]]


def _base_notes(measured: Mapping[str, Any]) -> list[str]:
    return _figure(measured["base"].get(measured["decided_by"]), measured)


def _figure(found: Mapping[str, Any] | None, measured: Mapping[str, Any]) -> list[str]:
    if found is None:
        return []
    measure = next(each for each in measured["measures"] if each["name"] == measured["decided_by"])
    value = f"{found['mean']:.0%}" if measure["is_share"] else f"{found['mean']:.2f}"
    return [f"{measure['title']} {value}"]
