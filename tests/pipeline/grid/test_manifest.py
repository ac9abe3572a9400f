from dataclasses import replace
from pathlib import Path

from pipeline.grid.axes import Cell
from pipeline.grid.choice import Scored
from pipeline.grid.manifest import (
    PICTURE_COLUMNS,
    SCORE_COLUMNS,
    by_place,
    means,
    picture_rows,
    score_rows,
    summary,
)
from pipeline.grid.measures import CellMeasures
from pipeline.grid.plan import Grid, GridSlot, cell_names, labels_of
from pipeline.grid.scores import Score
from pipeline.prompts.block_weights import block_weights
from pipeline.prompts.settings import DrawingSettings

FIVE = Path("models/network/zib-000005.safetensors")
EPOCHS = {FIVE: 5}
SETTINGS = DrawingSettings(
    steps=2, guidance=5.0, sampler="ddim", negative_prompt="", width=64, height=128, clip_skip=1, batch=2
)
PLAIN = Cell(
    checkpoint=None,
    network=FIVE,
    weight=0.5,
    blocks=None,
    prompts=("a cat",),
    seeds=(1, 2),
    settings=SETTINGS,
)
ALONE, FULL = PLAIN.alone(), replace(PLAIN, weight=1.0)
GRID = Grid(
    [""],
    ["base alone", "epoch 5 / x"],
    ["weight 0.5", "weight 1"],
    [GridSlot(0, 0, 0, ALONE), GridSlot(0, 1, 0, PLAIN), GridSlot(0, 1, 1, FULL)],
)


def scored(subject: float, diversity: float | None = 0.2) -> Scored:
    return Scored(2, CellMeasures(0, 900.0, 40.0, 0.1, diversity, None), Score(subject, 1.0))


SCORES = {ALONE: scored(0.0), PLAIN: scored(0.5), FULL: scored(1.0)}


def test_cells_are_named_for_their_number_and_labels() -> None:
    assert list(cell_names(GRID).values()) == [
        "000-base-alone", "001-epoch-5-x-weight-0.5", "002-epoch-5-x-weight-1",
    ]  # fmt: skip
    assert labels_of(GRID, GRID.slots[1]) == ["epoch 5 / x", "weight 0.5"]


def test_every_picture_has_a_row_with_all_that_it_was_drawn_with() -> None:
    rows = [dict(zip(PICTURE_COLUMNS, row, strict=True)) for row in picture_rows(GRID, EPOCHS)]
    assert len(rows) == 6
    assert rows[3] == {
        "file": "pictures/001-epoch-5-x-weight-0.5-02.png", "sheet": 0, "row": 1, "column": 0,
        "sheet_label": "", "row_label": "epoch 5 / x", "column_label": "weight 0.5", "checkpoint": None,
            "merge": None,
        "network": "zib-000005.safetensors", "epoch": 5, "weight": 0.5, "block_weights": None,
        "prompt": "a cat", "negative_prompt": "", "seed": 2, "sampler": "ddim", "steps": 2, "guidance": 5.0,
        "width": 64, "height": 128, "clip_skip": 1, "second_pass": None,
    }  # fmt: skip


def test_every_place_has_a_row_of_scores() -> None:
    rows = [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in score_rows(GRID, SCORES, EPOCHS)]
    assert [(row["epoch"], row["weight"], row["subject"], row["row"], row["column"]) for row in rows] == [
        (0, 0.0, 0.0, 0, 0), (5, 0.5, 0.5, 1, 0), (5, 1.0, 1.0, 1, 1),
    ]  # fmt: skip


def test_what_is_merged_is_judged_by_plain_cells_alone() -> None:
    some = {
        **SCORES,
        replace(PLAIN, blocks=block_weights("INS")): scored(0.1),
        replace(PLAIN, blocks=block_weights("ALL")): scored(0.7),
        replace(PLAIN, checkpoint="other"): scored(0.2),
        replace(PLAIN, network=Path("elsewhere.safetensors")): scored(0.3),
    }
    places = by_place(some, EPOCHS)
    subjects = {place: [each.as_dict()["subject"] for each in cells] for place, cells in places.items()}
    assert subjects == {
        (FIVE, 5, 0.5): [0.5, 0.7], (FIVE, 5, 1.0): [1.0],
    }  # fmt: skip


def test_means_are_of_what_is_known() -> None:
    assert means([scored(0.5), scored(1.0, None)]) == {
        "subject": 0.75, "prompt": 1.0, "blank": 0.0, "sharpness": 900.0, "colours": 40.0, "clipped": 0.1,
        "diversity": 0.2,
    }  # fmt: skip
    assert means([]) == {}


def test_the_summary_of_a_grid_without_a_network_counts() -> None:
    found = summary({ALONE: scored(0.5)}, [], {})
    assert (found["cells"], found["pictures"], found["base"]["subject"]) == (1, 2, 0.5)
    assert "best" not in found
