"""Which four pictures the verdict shows."""

from collections.abc import Sequence
from typing import Any

from pipeline.reports.run.four_pictures import VerdictPicture, four_pictures

PROMPT, OTHER = "zib, meadow", "zib, night"
MEASURED: dict[str, Any] = {
    "decided_by": "identity", "measures": [{"name": "identity", "title": "likeness", "is_share": False}],
    "base": {"identity": {"mean": -0.2}},
}  # fmt: skip


def cell(
    row: int,
    column: int,
    epoch: int,
    weight: float,
    jobs: Sequence[tuple[str, int]] = ((PROMPT, 1), (OTHER, 1)),
    **changes: Any,
) -> dict[str, Any]:
    """Of epoch 0: the base alone."""
    pictures = [
        {"file": f"pictures/{row}-{column}-{number}.png", "prompt": prompt, "seed": seed}
        for number, (prompt, seed) in enumerate(jobs)
    ]
    how = {
        "negative_prompt": "", "sampler": "ddim", "steps": 20, "guidance": 7.0, "width": 64, "height": 64,
        "clip_skip": 1, "second_pass": None, "checkpoint": None, "merge": None, "block_weights": None,
    }  # fmt: skip
    network = f"net-{epoch}" if epoch else None
    place = {"sheet": 0, "row": row, "column": column, "network": network, "epoch": epoch, "weight": weight}
    return {**how, **place, "pictures": pictures, **changes}


def ranked(epoch: int, weight: float, is_equal: bool = False, **changes: Any) -> dict[str, Any]:
    figures = {"identity": {"mean": epoch / 20}}
    row = {"file": f"net-{epoch}", "epoch": epoch, "weight": weight, "equal": is_equal}
    return {**row, "measures": figures, "lost": [], "against": [], **changes}


GRID = {
    "cells": [
        cell(0, 0, 0, 0.0),
        *(cell(row, column, 5 * row, weight) for row in (1, 2) for column, weight in enumerate((0.5, 1.0))),
    ]
}


def shown(grid: dict[str, Any], ranking: Sequence[dict[str, Any]]) -> list[VerdictPicture]:
    found = four_pictures(grid, ranking, MEASURED)
    return list(found.pictures) if found else []


def said(pictures: Sequence[VerdictPicture]) -> list[tuple[str, str]]:
    return [(each.role, each.place) for each in pictures]


def test_base_proposed_its_equal_and_the_strongest() -> None:
    ranking = [ranked(5, 1.0, True), ranked(10, 0.5, True), ranked(10, 1.0), ranked(5, 0.5)]
    pictures = shown(GRID, ranking)
    assert said(pictures) == [
        ("The base alone", ""),
        ("Proposed", "epoch 5 at weight 1"),
        ("As good", "epoch 10 at weight 0.5"),
        ("Strongest", "epoch 10 at weight 1"),
    ]
    assert [each.file for each in pictures] == [
        f"pictures/{place}-0.png" for place in ("0-0", "1-1", "2-0", "2-1")
    ]
    assert [each.anchor for each in pictures] == ["cell-0-0-0", "cell-0-1-1", "cell-0-2-0", "cell-0-2-1"]
    assert [each.is_proposed for each in pictures] == [False, True, False, False]
    assert [each.notes for each in pictures][:2] == [["likeness -0.20"], ["likeness 0.25"]]


def test_where_the_rival_is_the_strongest_the_weakest_is_the_other_end() -> None:
    ranking = [ranked(5, 1.0), ranked(10, 1.0), ranked(10, 0.5), ranked(5, 0.5)]
    assert said(shown(GRID, ranking))[1:] == [
        ("Proposed", "epoch 5 at weight 1"),
        ("Next best, the strongest", "epoch 10 at weight 1"),
        ("Weakest", "epoch 5 at weight 0.5"),
    ]


def test_a_negative_weight_is_as_strong_as_a_positive_one() -> None:
    grid = {
        "cells": [
            cell(row, column, epoch, weight)
            for row, epoch in enumerate((5, 10))
            for column, weight in enumerate((-1.0, 0.5))
        ]
    }
    ranking = [ranked(5, 0.5), ranked(10, 0.5), ranked(5, -1.0), ranked(10, -1.0)]
    assert said(shown(grid, ranking))[-1] == ("Strongest", "epoch 10 at weight -1")


def test_where_both_ends_are_taken_the_third_best_is_shown() -> None:
    ranking = [ranked(10, 1.0), ranked(5, 0.5), ranked(5, 1.0), ranked(10, 0.5)]
    assert [role for role, _ in said(shown(GRID, ranking))] == [
        "The base alone", "Proposed, the strongest", "Next best", "Next best",
    ]  # fmt: skip


def test_what_people_prefer_is_the_rival() -> None:
    ranking = [ranked(5, 1.0, True), ranked(10, 0.5, True), ranked(10, 1.0), ranked(5, 0.5)]
    found = four_pictures(GRID, ranking, MEASURED, ("net-5", 0.5))
    assert found is not None
    assert said(found.pictures)[1:] == [
        ("Proposed", "epoch 5 at weight 1"),
        ("People's choice", "epoch 5 at weight 0.5"),
        ("Strongest", "epoch 10 at weight 1"),
    ]
    found = four_pictures(GRID, ranking, MEASURED, ("net-5", 1.0))
    assert found is not None
    assert [each.role for each in found.pictures] == [
        "The base alone", "Proposed, people's choice", "As good", "Strongest",
    ]  # fmt: skip
    assert four_pictures(GRID, ranking, MEASURED, ("gone", 1.0)) == four_pictures(GRID, ranking, MEASURED)


def test_what_a_place_loses_and_its_faults_are_said_below_it() -> None:
    ranking = [ranked(5, 1.0, lost=["prompt", "quality"]), ranked(10, 1.0, against=["1 of 4 is blank"])]
    notes = [each.notes for each in shown(GRID, ranking)]
    assert notes[1:] == [["likeness 0.25", "prompt and quality"], ["likeness 0.50", "1 of 4 is blank"]]


def test_one_place_and_the_base_are_two_pictures() -> None:
    assert said(shown(GRID, [ranked(5, 1.0)])) == [
        ("The base alone", ""), ("Proposed", "epoch 5 at weight 1"),
    ]  # fmt: skip


def test_without_a_row_of_the_base_the_places_are_shown() -> None:
    grid = {"cells": GRID["cells"][1:]}
    roles = [role for role, _ in said(shown(grid, [ranked(5, 1.0), ranked(10, 1.0), ranked(5, 0.5)]))]
    assert roles == ["Proposed", "Next best, the strongest", "Weakest"]


def test_without_a_proposal_or_anything_to_compare_there_are_none() -> None:
    assert four_pictures(GRID, [], MEASURED) is None
    assert four_pictures({"cells": GRID["cells"][1:2]}, [ranked(5, 0.5)], MEASURED) is None
    assert four_pictures(GRID, [ranked(7, 1.0)], MEASURED) is None  # not in the grid


def test_the_prompt_is_one_that_most_places_have() -> None:
    """An axis of prompts gives each cell its own."""
    cells = [
        cell(0, 0, 0, 0.0, [(OTHER, 1)]),
        cell(1, 0, 5, 1.0, [(PROMPT, 1)]),
        cell(1, 1, 5, 1.0, [(OTHER, 1)]),
        cell(2, 0, 10, 1.0, [(OTHER, 1)]),
    ]
    found = four_pictures({"cells": cells}, [ranked(5, 1.0), ranked(10, 1.0)], MEASURED)
    assert found is not None
    assert (found.prompt, found.seed) == (OTHER, 1)
    assert [each.file for each in found.pictures] == [
        f"pictures/{place}-0.png" for place in ("0-0", "1-1", "2-0")
    ]


def test_a_place_that_draws_nothing_alike_is_left_out() -> None:
    cells = [*GRID["cells"][:3], cell(2, 0, 10, 0.5, steps=40), cell(2, 1, 10, 1.0, [("sky", 3)])]
    roles = said(shown({"cells": cells}, [ranked(5, 1.0), ranked(10, 0.5), ranked(10, 1.0)]))
    assert roles == [("The base alone", ""), ("Proposed", "epoch 5 at weight 1")]


def test_another_checkpoint_and_part_of_the_blocks_are_not_the_place() -> None:
    cells = [
        cell(0, 0, 0, 0.0, checkpoint="other"), cell(0, 1, 0, 0.0),
        cell(1, 0, 5, 1.0, block_weights="INS"), cell(1, 1, 5, 1.0), cell(2, 1, 10, 1.0),
    ]  # fmt: skip
    pictures = shown({"cells": cells}, [ranked(5, 1.0), ranked(10, 1.0)])
    assert [each.cell for each in pictures] == [(0, 0, 1), (0, 1, 1), (0, 2, 0)]


def test_without_a_deciding_measure_pictures_have_no_figure() -> None:
    nothing: dict[str, Any] = {"decided_by": None, "measures": [], "base": {}}
    found = four_pictures(GRID, [ranked(5, 1.0)], nothing)
    assert found is not None
    assert [each.notes for each in found.pictures] == [[], []]
