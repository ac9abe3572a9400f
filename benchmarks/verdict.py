"""How well the verdict judges: `python -m benchmarks.verdict [--cells 25] [--skip agreement coverage time]`.

agreement: in how many pairs of drawn cells (benchmarks/drawn_cells.py) the joint score has the order of the
truth; and the tagger alone, which is its subject's and prompt's shares, as the demo's eye is switched off.
coverage: how many intervals of grids of four seeds hold the mean of 400 seeds.
time: what the verdict takes of the time in which the demo's base draws the grid.

Prints Markdown for docs/verdict.md. Reads demo/eye, demo/tagger, demo/base.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.drawn_cells import DrawnCell, DrawnPicture, Flaws, Painter
from benchmarks.grid import the_grid, write_networks
from pipeline.bases.load import load_base
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.grid.cell_store import CellStore
from pipeline.grid.choice import ranked
from pipeline.grid.drift import drift_cells
from pipeline.grid.manifest import by_place
from pipeline.grid.places import places_of
from pipeline.grid.renderer import GridRenderer
from pipeline.grid.scorer import Scorer
from pipeline.grid.scores import seen
from pipeline.pictures.records import Record, write_records
from pipeline.schemas import Config
from pipeline.typed_numbers import whole_number
from pipeline.verdict.intervals import PictureValues, difference, interval
from pipeline.verdict.joint import joint_score
from pipeline.verdict.measures import (
    DRIFT,
    IDENTITY,
    MEASURES,
    PROMPT,
    QUALITY,
    RETAINED,
    SUBJECT,
    Place,
)
from pipeline.verdict.rule import judged
from pipeline.verdict.sentences import sentences
from pipeline.vision.aesthetic_head import LinearHead, aesthetic_model
from pipeline.vision.averaged import AveragedTaggers
from pipeline.vision.encoders import Features, encoder_model, open_encoder

SEEDS = (1, 2, 3, 4)
HELD_OUT = 8
CLEAR = 0.05
"""Truths closer than this differ by less than one picture in five of one side: a tie for any eye."""
OF_THE_TAGGER = (SUBJECT, PROMPT)
WITH_INTERVALS = (IDENTITY, SUBJECT, PROMPT, QUALITY)


def configuration(**values: Any) -> Config:
    subject = {"sample_grid.subject_tags": ["stripes", "headband"]}
    return check(compose(Params({"vision": "eye"}, {**subject, **values})))


class Judge:
    """The demo's models, as a sample grid uses them."""

    def __init__(self, config: Config, painter: Painter) -> None:
        self.config, self.painter = config, painter
        model, head = encoder_model(config.vision), aesthetic_model(config.vision)
        assert model is not None
        assert head is not None
        self.encoder, self.head = open_encoder(model, config.vision.batch), LinearHead(head.path)
        self.taggers = AveragedTaggers(config.tag)

    @cached_property
    def reference(self) -> Features:
        return self.encoder.features(self.painter.real(HELD_OUT))

    @cached_property
    def ceiling(self) -> float:
        training = self.encoder.features([image for _, image in self.painter.training])
        return float(self.encoder.likeness(self.reference, training).max(axis=1).mean())

    def values(self, pictures: Sequence[DrawnPicture]) -> dict[str, PictureValues]:
        """By measure, of each picture of prompts with the character."""
        features = self.encoder.features([each.image for each in pictures])
        shown = self.seen(pictures)
        return {
            IDENTITY.name: self.encoder.likeness(features, self.reference).max(axis=1),
            QUALITY.name: self.head.scores(features),
            SUBJECT.name: np.array([float(each.shown) for each in shown]),
            PROMPT.name: np.array([_known(each.share) for each in shown]),
        }

    def seen(self, pictures: Sequence[DrawnPicture]) -> list[Any]:
        tags = self.taggers.tags([each.image for each in pictures])
        grid = self.config.sample_grid
        return seen([each.text for each in pictures], tags, grid.subject_tags, grid.tag_threshold)

    def place(self, cell: DrawnCell, base: DrawnCell) -> Place:
        """As `pipeline.grid.places` makes it."""
        one, two = (self.encoder.features([each.image for each in some.others]) for some in (cell, base))
        values = self.values(cell.own) | {
            DRIFT.name: 1 - np.diag(self.encoder.likeness(one, two)),
            RETAINED.name: np.array([_known(each.share) for each in self.seen(cell.others)]),
        }
        prompts = {name: [each.prompt for each in cell.own] for name in values}
        prompts |= {name: [each.prompt for each in cell.others] for name in (DRIFT.name, RETAINED.name)}
        return Place(None, 0, 0.0, values, prompts)


def _known(share: float | None) -> float:
    return float("nan") if share is None else share


@dataclass(frozen=True)
class Agreement:
    """Pairs of cells whose truth differs, and in how many of them each score has the same order."""

    pairs: int
    joint: int
    tagger: int


def agreement(judge: Judge, num_cells: int) -> tuple[Agreement, Agreement]:
    """Of all pairs, and of those that are clearly different."""
    base = judge.painter.base(SEEDS)
    alone = judge.place(base, base)
    flaws = [Flaws(), *(Flaws.drawn(np.random.default_rng([13, number])) for number in range(1, num_cells))]
    cells = [judge.painter.cell(each, SEEDS, number) for number, each in enumerate(flaws)]
    rows = [(cell.truth(base), *_scores(judge, judge.place(cell, base), alone)) for cell in cells]
    return _agreed(rows, 0.0), _agreed(rows, CLEAR)


def _scores(judge: Judge, place: Place, base: Place) -> tuple[float, float]:
    """The joint score, and the mean of what the tagger says."""
    joint = joint_score(place, base, judge.ceiling)
    assert joint is not None
    return joint.value, fmean(place.mean(each) for each in OF_THE_TAGGER)


def _agreed(rows: Sequence[tuple[float, float, float]], least: float) -> Agreement:
    pairs = [(one, two) for one, two in combinations(rows, 2) if abs(one[0] - two[0]) > least]
    right = [
        sum((one[0] > two[0]) == (one[place] > two[place]) and one[place] != two[place] for one, two in pairs)
        for place in (1, 2)
    ]
    return Agreement(len(pairs), *right)


def coverage(judge: Judge, num_seeds: int, num_grids: int) -> dict[str, tuple[float, float]]:
    """By measure: how many intervals of a grid of four seeds hold the pool's mean, and how many of the paired
    difference between two places hold the pool's.
    """
    seeds = range(num_seeds)
    pools = [
        judge.painter.cell(flaws, seeds, number, has_others=False).own
        for number, flaws in enumerate((Flaws(smeared=0.3, altered=0.2, unasked=0.3), Flaws(smeared=0.1)))
    ]
    first, second = (judge.values(pool) for pool in pools)
    return {
        each.name: _covered(first[each.name], second[each.name], num_seeds, num_grids, each.is_share)
        for each in WITH_INTERVALS
    }


def _covered(
    first: PictureValues, second: PictureValues, num_seeds: int, num_grids: int, is_share: bool
) -> tuple[float, float]:
    """Values in the order of prompts, then seeds."""
    one, two = (each.reshape(-1, num_seeds) for each in (first, second))
    prompts = [prompt for prompt in range(len(one)) for _ in SEEDS]
    held = np.zeros(2)
    for number in range(num_grids):
        chosen = np.random.default_rng([17, number]).choice(num_seeds, len(SEEDS), replace=False)
        a, b = one[:, chosen].ravel(), two[:, chosen].ravel()
        found = interval(a, prompts, is_share), difference(a, b, prompts, is_share)
        for place, (each, true) in enumerate(zip(found, (one.mean(), (one - two).mean()), strict=True)):
            assert each is not None
            held[place] += each.low <= true <= each.high
    return float(held[0] / num_grids), float(held[1] / num_grids)


def seconds(num_epochs: int, steps: int) -> tuple[float, float, int]:
    """Of drawing the grid, of the verdict on it, and how many pictures there are."""
    config = configuration(
        **{
            "network.dim": 16, "network.alpha": 8.0, "sample_grid.prompts": ["zibbo, meadow, smile"],
            "sample_grid.seeds": [*SEEDS], "sample_grid.weights": [0.8, 1.0, 1.2], "sample_grid.batch": 16,
            "sample_grid.drift_prompts": ["critter, red fur, night"], "sample_grid.resolution": 128,
            "sample_grid.steps": steps,
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        os.environ["ATHANOR_STORE"] = str(Path(name) / "store")
        folder = Path(name) / "cropped"
        held_out = write_training(folder, Painter())
        base = load_base(config.base)
        epochs = write_networks(config, base, Path(name), num_epochs)
        grid = the_grid(config, epochs, Path(name))
        store, renderer = CellStore(config.base), GridRenderer()
        drifts = drift_cells(grid.cells, config.sample_grid.drift_prompts)
        store.fill(grid.cells[0], renderer.draw)  # loads the base, which is not drawing
        started = time.perf_counter()
        missing = store.missing([*grid.cells, *drifts])
        for cell in missing:
            store.fill(cell, renderer.draw)
        drawn = time.perf_counter()
        scorer = Scorer(config, store, folder, held_out)
        scores = scorer.scored(grid.cells)
        drifted = {cell: scorer.drifted(cell, alone) for cell, alone in drifts.items()}
        by_file = {file: epoch for epoch, file in epochs.items()}
        places, alone = places_of(scores, drifted, by_file)
        judgement = judged(places, alone, scorer.eye.ceiling)
        ranked(by_place(scores, by_file), judgement)
        sentences(judgement, alone, len(SEEDS), len(held_out))
        ended = time.perf_counter()
    return drawn - started, ended - drawn, sum(len(cell.jobs) for cell in missing)


def write_training(folder: Path, painter: Painter) -> list[str]:
    """data/cropped/ of drawn pictures; returns the ids of those that are held out."""
    images = [*painter.real(HELD_OUT), *(image for _, image in painter.training)]
    records = []
    for number, image in enumerate(images):
        record = _record(number)
        path = folder / "pictures" / record.file
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        records.append(record)
    write_records(folder, records)
    return [record.id for record in records[:HELD_OUT]]


def _record(number: int) -> Record:
    return Record(
        id=f"zibbo/{number:03}", file=f"zibbo/{number:03}.png", sha256=f"{number:064x}", concept="zibbo",
        repeats=1, is_class=False, width_px=128, height_px=128, caption=None, verdict="ok",
        notes=[], group=f"zibbo/{number:03}", origin={},
    )  # fmt: skip


def table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *body])


def agreement_table(every: Agreement, clear: Agreement) -> str:
    def shares(found: Agreement) -> list[str]:
        return [
            f"{right} of {found.pairs} ({right / found.pairs:.0%})" for right in (found.joint, found.tagger)
        ]

    clearly = f"whose truth differs by more than {CLEAR:g}"
    return table(
        [
            ["pairs of cells", "joint score", "tagger alone"],
            ["all", *shares(every)],
            [clearly, *shares(clear)],
        ]
    )


def coverage_table(found: Mapping[str, tuple[float, float]], num_grids: int) -> str:
    head = ["measure", f"of {num_grids} intervals held", "of the difference of two places"]
    rows = [[MEASURES[name].title, f"{one:.0%}", f"{two:.0%}"] for name, (one, two) in found.items()]
    return table([head, *rows])


def time_table(drawing: float, judging: float, pictures: int) -> str:
    head = ["pictures", "drawing, s", "verdict, s", "share"]
    return table([head, [str(pictures), f"{drawing:.1f}", f"{judging:.1f}", f"{judging / drawing:.1%}"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=whole_number(2), default=25)
    parser.add_argument("--seeds", type=whole_number(4), default=400)
    parser.add_argument("--grids", type=whole_number(1), default=200)
    parser.add_argument("--steps", type=whole_number(1), default=20)
    parser.add_argument("--skip", nargs="*", choices=("agreement", "coverage", "time"), default=[])
    chosen = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    judge = Judge(configuration(), Painter())
    if "agreement" not in chosen.skip:
        print(agreement_table(*agreement(judge, chosen.cells)), end="\n\n", flush=True)
    if "coverage" not in chosen.skip:
        print(
            coverage_table(coverage(judge, chosen.seeds, chosen.grids), chosen.grids), end="\n\n", flush=True
        )
    if "time" not in chosen.skip:
        print(time_table(*seconds(2, chosen.steps)))


if __name__ == "__main__":
    main()
