"""What the merge stage takes: a place of the grid, or what the votes prefer, written into params.yaml."""

from typing import Any

from pipeline.config.graph_file import RESOLVED_PARAMS, read_own_yaml
from pipeline.errors import UserError
from pipeline.votes.grid_places import GridPlace
from pipeline.workbench.grid import SampleGrid
from pipeline.workbench.runs.queue import check_overrides
from pipeline.workbench.settings import SETTINGS

_MERGE, VOTED = "merge", "voted"


def merge_now(grid: SampleGrid) -> dict[str, Any]:
    """For the page: `epoch` and `alpha` as params.yaml and the composed settings say, and the file's hash;
    `wrong`: why params.yaml cannot be read.
    """
    composed = read_own_yaml(RESOLVED_PARAMS).get(_MERGE, {}) if RESOLVED_PARAMS.exists() else {}
    try:
        file = grid.desk.open(SETTINGS.name)
    except UserError as error:
        return {"wrong": error.problems[0]}
    found = {**composed, **_group(file.values)}
    return {
        "epoch": found.get("epoch"), "alpha": found.get("alpha"), "recipe": found.get("recipe"),
        "sha256": file.sha256,
    }  # fmt: skip


def bake(grid: SampleGrid, number: int | None, seen: str | None) -> str:
    """Writes `merge.epoch` and `merge.alpha`: of the place of this number, or `voted` with the weight at
    which the votes' leader was drawn. The sentence.
    """
    grid.refresh()
    epoch, alpha = _of_votes(grid) if number is None else _of_place(grid, number)
    before = _group(grid.desk.values(SETTINGS.name))
    check_overrides([f"{_MERGE}.epoch={epoch}", f"{_MERGE}.alpha={alpha}"])
    said = f"{SETTINGS.path}: merge.epoch {epoch}, merge.alpha {alpha:g}"
    grid.desk.write(SETTINGS.name, {_MERGE: {**before, "epoch": epoch, "alpha": alpha}}, seen, said)
    return said


def _group(values: dict[str, Any]) -> dict[str, Any]:
    found = values.get(_MERGE)
    return dict(found) if isinstance(found, dict) else {}


def _of_place(grid: SampleGrid, number: int) -> tuple[int, float]:
    if number >= len(grid.places):
        raise UserError("the grid is another now; look at it again")
    place = grid.places[number]
    if not can_bake(place):
        raise UserError(
            f"{place.label} is not a network of this training on the run's own base with every block at full"
            " weight, which is what merge.epoch names; choose another place, or write a merge.recipe"
        )
    return place.epoch, place.weight


def can_bake(place: GridPlace) -> bool:
    """Whether merge.epoch and merge.alpha can name it."""
    return place.network is not None and place.is_plain and place.epoch > 0


def _of_votes(grid: SampleGrid) -> tuple[str, float]:
    from pipeline.votes.winner import standing  # loads numpy

    found = standing(grid.places, grid.votes())
    if found is None:
        raise UserError("there is no vote on this grid yet; vote first, or choose a place")
    if not can_bake(found.leader):
        raise UserError(f"the votes prefer {found.leader.label}, which merge.epoch cannot name")
    return VOTED, found.leader.weight
