from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.grid.choice import Scored, faults, ranked
from pipeline.grid.measures import CellMeasures, Nearest
from pipeline.grid.scores import Score

PLAIN = CellMeasures(
    blank=0, sharpness=900.0, colours=40.0, clipped=0.1, diversity=0.2, nearest=Nearest(0, 20, 0.3, "zib/a")
)
FIVE, TEN = Path("zib-000005.safetensors"), Path("zib-000010.safetensors")


def scored(subject: float | None, prompt: float = 0.5, clip: float | None = None, **changes: Any) -> Scored:
    score = None if subject is None else Score(subject, prompt)
    return Scored(4, replace(PLAIN, **changes), score, clip)


BASE = [scored(0.0, 1.0)]


def order(cells: dict[tuple[Path, int, float], list[Scored]]) -> list[tuple[int, float]]:
    return [(each.epoch, each.weight) for each in ranked(cells, BASE)]


def test_the_highest_sum_of_the_scores_comes_first_then_the_shortest_training_then_the_lowest_weight() -> (
    None
):
    cells = {
        (TEN, 10, 0.5): [scored(0.5)],
        (TEN, 10, 1.0): [scored(0.75)],
        (FIVE, 5, 1.0): [scored(0.75)],
        (FIVE, 5, 0.5): [scored(0.25, 1.0)],
    }
    assert order(cells) == [(5, 0.5), (5, 1.0), (10, 1.0), (10, 0.5)]


def test_equal_scores_propose_the_earlier_epoch_though_sums_differ_in_the_last_bits() -> None:
    cells = {(TEN, 10, 1.0): [scored(0.1 + 0.2)], (FIVE, 5, 1.0): [scored(0.3)]}
    assert order(cells) == [(5, 1.0), (10, 1.0)]


def test_cells_of_one_network_and_weight_are_averaged_and_clip_counts_as_a_cosine() -> None:
    [only] = ranked({(FIVE, 5, 1.0): [scored(0.5, 1.0, 30.0), scored(1.0, 0.5, 20.0)]}, BASE)
    assert only.total == 1.75
    [by_clip] = ranked({(FIVE, 5, 1.0): [scored(None, clip=30.0)]}, BASE)
    assert by_clip.total == 0.3


def test_without_scores_the_last_epoch_at_the_highest_weight() -> None:
    cells = {
        (file, epoch, weight): [scored(None)]
        for file, epoch in ((FIVE, 5), (TEN, 10))
        for weight in (0.5, 1.0)
    }
    assert order(cells) == [(10, 1.0), (10, 0.5), (5, 1.0), (5, 0.5)]


def test_what_has_a_fault_comes_after_all_that_has_none() -> None:
    cells = {(TEN, 10, 1.0): [scored(1.0, blank=1)], (FIVE, 5, 1.0): [scored(0.1)]}
    assert order(cells) == [(5, 1.0), (10, 1.0)]


def test_faults_by_hand() -> None:
    copies = replace(PLAIN, nearest=Nearest(2, 3, 0.05, "zib/a"))
    assert faults([scored(1.0)], BASE) == []
    assert faults([scored(1.0, blank=1), scored(1.0)], BASE) == ["1 of 8 pictures are blank"]
    assert faults([replace(scored(1.0), measures=copies)], BASE) == [
        "50% of the pictures are near copies of training pictures; the base alone: 0%"
    ]
    assert faults([scored(1.0, colours=19.0, clipped=0.35)], BASE) == [
        "colours collapse: 19.0 where the base alone has 40.0",
        "35% of the values are burnt; the base alone: 10%",
    ]
    assert faults([scored(1.0, colours=1.0)], []) == []


def test_figures_are_flat_and_named() -> None:
    assert scored(0.5, clip=27.5).as_dict() == {
        "subject": 0.5, "prompt": 0.5, "clip": 27.5, "blank": 0, "sharpness": 900.0, "colours": 40.0,
        "clipped": 0.1, "diversity": 0.2, "copies": 0, "nearest_bits": 20, "nearest_distance": 0.3,
        "nearest_picture": "zib/a",
    }  # fmt: skip
    unknown = scored(None, nearest=None).as_dict()
    assert (unknown["subject"], unknown["copies"], unknown["nearest_picture"]) == (None, None, None)
