from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import order_of_drawing
from pipeline.grid.plan import Grid, plan
from pipeline.grid.problems import axes_problems
from pipeline.prompts.settings import DrawingSettings, SecondPass
from pipeline.schemas import SampleGridConfig

pytestmark = pytest.mark.usefixtures("root")
FOLDER = Path("models/network")
FIVE, TEN = FOLDER / "zib-000005.safetensors", FOLDER / "zib-000010.safetensors"
EPOCHS = {5: FIVE, 10: TEN}


def config(**changes: Any) -> SampleGridConfig:
    plain = {"prompts": ["zib, red hat", "zib"], "seeds": [1, 2], "weights": [0.5, 1.0]}
    values = {f"sample_grid.{name}": value for name, value in {**plain, **changes}.items()}
    return check(compose(Params({}, values))).sample_grid


def grid(network: Path | None = None, **changes: Any) -> Grid:
    wanted = config(**changes)
    base = check(compose(Params({}, {}))).base
    start = Cell(
        checkpoint=None, network=network, weight=wanted.weight, blocks=None, prompts=tuple(wanted.prompts),
        seeds=tuple(wanted.seeds), settings=DrawingSettings.of(wanted, base),
    )  # fmt: skip
    return plan(wanted, start, EPOCHS, FOLDER)


def places(found: Grid, *fields: str) -> list[tuple[Any, ...]]:
    return [
        (slot.sheet, slot.row, slot.column, *(getattr(slot.cell, name) for name in fields))
        for slot in found.slots
    ]


def test_the_default_grid_has_the_base_once_and_every_epoch_at_every_weight() -> None:
    found = grid()
    assert (found.sheets, found.rows, found.columns) == (
        [""], ["base alone", "epoch 5", "epoch 10"], ["weight 0.5", "weight 1"],
    )  # fmt: skip
    assert places(found, "network", "weight") == [
        (0, 0, 0, None, 0.0),
        (0, 1, 0, FIVE, 0.5),
        (0, 1, 1, FIVE, 1.0),
        (0, 2, 0, TEN, 0.5),
        (0, 2, 1, TEN, 1.0),
    ]


def test_the_base_row_has_a_cell_for_each_column_that_changes_it() -> None:
    found = grid(TEN, x="guidance", x_values="3-7 (+4)", y="weight", y_values="0.5")
    assert found.rows == ["base alone", "weight 0.5"]
    cells = [(slot.row, slot.column, slot.cell.network, slot.cell.settings.guidance) for slot in found.slots]
    assert cells == [
        (0, 0, None, 3.0), (0, 1, None, 7.0), (1, 0, TEN, 3.0), (1, 1, TEN, 7.0),
    ]  # fmt: skip


def test_every_sheet_has_the_base_and_equal_cells_are_one() -> None:
    found = grid(z="sampler", z_values="DDIM, Euler a", x="none", y_values="10")
    assert found.sheets == ["DDIM", "Euler a"]
    assert [(slot.sheet, slot.row, slot.cell.settings.sampler) for slot in found.slots] == [
        (0, 0, "ddim"), (0, 1, "ddim"), (1, 0, "euler_a"), (1, 1, "euler_a"),
    ]  # fmt: skip
    by_network = grid(z="network", y="none", x="none")
    assert by_network.sheets == ["epoch 5", "epoch 10"]
    assert [slot.cell.network for slot in by_network.slots] == [None, FIVE, None, TEN]
    assert len(by_network.cells) == 3


def test_without_a_network_there_is_no_row_for_the_base() -> None:
    found = grid(x="steps", x_values="2, 4", y="none")
    assert found.rows == [""]
    assert [slot.cell.settings.steps for slot in found.slots] == [2, 4]


def test_words_are_searched_for_in_prompts_and_negative_prompt() -> None:
    found = grid(
        TEN, x="search_replace", x_values="red, blue, pale green", y="none", negative_prompt="infrared"
    )
    assert found.columns == ["red", "blue", "pale green"]
    last = found.slots[-1].cell
    assert last.prompts == ("zib, pale green hat", "zib")
    assert last.settings.negative_prompt == "infrapale green"
    removed = grid(TEN, x="search_replace", x_values=[", red hat", ""], y="none")
    assert removed.columns == [", red hat", "without , red hat"]
    assert removed.slots[-1].cell.prompts == ("zib", "zib")
    with pytest.raises(UserError, match="'pink', the first value of a search_replace axis, is in no prompt"):
        grid(TEN, x="search_replace", x_values="pink, blue", y="none")


def test_each_axis_changes_what_it_names() -> None:
    def only(kind: str, values: Any) -> list[Cell]:
        return [slot.cell for slot in grid(TEN, x=kind, x_values=values, y="none").slots if slot.row == 1]

    assert [cell.prompts for cell in only("prompt", None)] == [("zib, red hat",), ("zib",)]
    assert [cell.prompts for cell in only("prompt", '"a, b", c')] == [("a, b",), ("c",)]
    assert [cell.seeds for cell in only("seed", "4-6")] == [(4,), (5,), (6,)]
    assert [cell.settings.clip_skip for cell in only("clip_skip", "1-2")] == [1, 2]
    assert [cell.settings.negative_prompt for cell in only("negative_prompt", ["", "bad"])] == ["", "bad"]
    sizes = [(cell.settings.width, cell.settings.height) for cell in only("resolution", "64, 64x128")]
    assert sizes == [(64, 64), (64, 128)]
    assert [cell.checkpoint for cell in only("checkpoint", "base, other/b.safetensors")] == [
        None, "other/b.safetensors",
    ]  # fmt: skip
    blocks = only("block_weights", ["INS", "1" + ",0" * 16])
    assert [cell.blocks.name for cell in blocks if cell.blocks] == ["INS", "1" + ",0" * 16]


def test_a_second_pass_is_varied_where_there_is_one() -> None:
    wanted = config(second_pass_upscaler="latent", x="second_pass_strength", x_values="0.3-0.5 [3]")
    second = SecondPass(upscaler="latent", scale=2.0, steps=10, strength=0.7)
    start = replace(grid().cells[0], settings=replace(grid().cells[0].settings, second_pass=second))
    found = plan(wanted, start, EPOCHS, FOLDER)
    assert found.columns == ["strength 0.3", "strength 0.4", "strength 0.5"]
    assert [str(slot.cell.settings.second_pass) for slot in found.slots[:3]] == [
        "latent 2x, 10 steps at 0.3", "latent 2x, 10 steps at 0.4", "latent 2x, 10 steps at 0.5",
    ]  # fmt: skip
    assert [slot.cell.network for slot in found.slots[::3]] == [None, FIVE, TEN]


def test_labels_can_be_changed() -> None:
    found = grid(labels={"epoch 5": "early", "base alone": "SD 1.5", "weight 1": "full"})
    assert found.rows == ["SD 1.5", "early", "epoch 10"]
    assert found.columns == ["weight 0.5", "full"]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        ({"x": "steps", "x_values": "10-50 (+0)"}, ["sample_grid.x_values: '10-50 (+0)' has a step of 0"]),
        ({"x": "steps"}, ["sample_grid.x_values is null; list the values of steps"]),
        (
            {"x": "second_pass_steps", "x_values": "5, 10"},
            ["sample_grid: the axis second_pass_steps varies a second pass; name its upscaler"],
        ),
        ({"x": "network"}, ["sample_grid: two axes are the same (network, network)"]),
        ({"z_values": "1"}, ["sample_grid.z_values is set without an axis"]),
        (
            {"x": "sampler", "x_values": "DDMI, Euler", "z": "clip_skip", "z_values": [0, 13]},
            [
                "sample_grid.x_values: 'DDMI': there is no such sampler",
                "sample_grid.z_values: 0, 13: must be from 1 to 12",
            ],
        ),
        ({"x": "resolution", "x_values": "500x"}, ["sample_grid.x_values: '500x' is not a resolution"]),
        (
            {"x": "resolution", "x_values": "500"},
            ["sample_grid.x_values: '500': sides must be multiples of 8"],
        ),
        (
            {"x": "search_replace", "x_values": ["", "a"]},
            ["sample_grid.x_values: the first value of a search_replace axis"],
        ),
        ({"x": "sampler", "x_values": ["Euler", ""]}, ["sample_grid.x_values: a value is empty"]),
        ({"x": "seed", "x_values": -1}, ["sample_grid.x_values: -1: must be from 0"]),
        ({"x": "guidance", "x_values": "-1"}, ["sample_grid.x_values: -1: must be at least 0"]),
    ],
)
def test_problems_of_the_axes_are_told_all_at_once(changes: dict[str, Any], problems: list[str]) -> None:
    found = axes_problems(config(**changes))
    assert len(found) == len(problems)
    assert all(sentence.startswith(start) for sentence, start in zip(found, problems, strict=True))


def test_the_dearest_is_changed_least_often() -> None:
    slots = grid(x="checkpoint", x_values="base, b.safetensors", y="weight", z="network").slots
    cells = [slot.cell for slot in slots]
    drawn = order_of_drawing(dict.fromkeys(reversed(cells)))
    kinds = [(cell.checkpoint, cell.network, cell.weight) for cell in drawn]
    b = "b.safetensors"
    assert kinds == [
        (b, TEN, 1.0), (b, TEN, 0.5), (b, None, 0.0), (b, FIVE, 1.0), (b, FIVE, 0.5),
        (None, TEN, 1.0), (None, TEN, 0.5), (None, None, 0.0), (None, FIVE, 1.0), (None, FIVE, 0.5),
    ]  # fmt: skip


def test_with_one_seed_pictures_stand_in_a_square() -> None:
    cell = grid().slots[0].cell
    assert cell.per_row == 2
    assert replace(cell, seeds=(1,), prompts=("a", "b", "c", "d", "e")).per_row == 3
    assert [(job.prompt, job.seed) for job in cell.jobs] == [
        ("zib, red hat", 1), ("zib, red hat", 2), ("zib", 1), ("zib", 2),
    ]  # fmt: skip
