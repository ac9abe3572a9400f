from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.grid.choice import Scored, faults, ranked
from pipeline.grid.measures import CellMeasures, Nearest
from pipeline.grid.scores import Score
from pipeline.verdict.measures import Place
from pipeline.verdict.rule import judged

PLAIN = CellMeasures(
    blank=0, sharpness=900.0, colours=40.0, clipped=0.1, diversity=0.2, nearest=Nearest(0, 20, 0.3, "zib/a")
)
FIVE, TEN = Path("zib-000005.safetensors"), Path("zib-000010.safetensors")


def scored(subject: float | None, prompt: float = 0.5, clip: float | None = None, **changes: Any) -> Scored:
    score = None if subject is None else Score(subject, prompt)
    return Scored(4, replace(PLAIN, **changes), score, clip)


BASE = [scored(0.0, 1.0)]


def place(file: Path, epoch: int, weight: float, shown: list[float], *against: str) -> Place:
    prompts = {"subject": [0] * len(shown)}
    return Place(file, epoch, weight, {"subject": np.array(shown)}, prompts, list(against))


def test_candidates_are_in_the_order_of_the_verdict_with_the_means_of_their_cells() -> None:
    places = [
        place(TEN, 10, 1.0, [1.0] * 40),
        place(FIVE, 5, 1.0, [0.0] * 40),
        place(FIVE, 5, 0.5, [1.0] * 40, "4 of 40 pictures are blank"),
    ]
    cells = {
        (TEN, 10, 1.0): [scored(0.5, 1.0, 30.0), scored(1.0, 0.5, 20.0)],
        (FIVE, 5, 1.0): [scored(None, clip=30.0)],
        (FIVE, 5, 0.5): [scored(None)],
    }
    rows = ranked(cells, judged(places, None))
    assert [(each.epoch, each.weight, each.total, each.is_equal) for each in rows] == [
        (10, 1.0, 1.75, True), (5, 1.0, 0.3, False), (5, 0.5, None, False),
    ]  # fmt: skip
    assert rows[2].against == ["4 of 40 pictures are blank"]
    assert rows[0].measures["subject"].mean == 1.0
    assert rows[0].joint is not None
    assert rows[0].joint.sides == {"identity": 1.0}


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
        "subject": 0.5, "prompt": 0.5, "clip": 27.5, "identity": None, "likeness": None,
        "nearest_training": None, "quality": None, "blank": 0, "sharpness": 900.0, "colours": 40.0,
        "clipped": 0.1, "diversity": 0.2, "copies": 0, "nearest_bits": 20, "nearest_distance": 0.3,
        "nearest_picture": "zib/a",
    }  # fmt: skip
    unknown = scored(None, nearest=None).as_dict()
    assert (unknown["subject"], unknown["copies"], unknown["nearest_picture"]) == (None, None, None)
