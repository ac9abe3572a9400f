"""The figures of cells, their faults, and the drawn networks in the order of the verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from pipeline.grid.measures import CellMeasures
from pipeline.grid.scores import Score
from pipeline.verdict.intervals import ConfidenceInterval
from pipeline.verdict.joint import JointScore
from pipeline.verdict.measures import ANSWERS, IDENTITY, LIKENESS, MEASURES, NEAREST_TRAINING, QUALITY
from pipeline.verdict.rule import Judgement

MOST_COPIES_FRACTION = 0.25
"""Fraction of pictures that may copy training pictures, on top of the base's own fraction."""
FEWEST_COLOURS_FRACTION = 0.5
MOST_CLIPPED_MORE = 0.2
"""A network has failed if it keeps less than half of the base's colours, or burns a fifth of the picture more
than the base does.
"""
CLIP_SCALE = 100.0
OF_THE_EYE = tuple(each.name for each in (IDENTITY, LIKENESS, NEAREST_TRAINING, QUALITY))
NEAREST = {
    "copies": "copies",
    "bits": "nearest_bits",
    "distance": "nearest_distance",
    "picture": "nearest_picture",
}
"""Names of `Nearest`'s fields in files."""


@dataclass(frozen=True)
class Scored:
    """One cell's figures. `score` and `clip` are None if they cannot be computed."""

    num_pictures: int
    measures: CellMeasures
    score: Score | None = None
    clip: float | None = None
    pictures: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    """By measure, of each picture; None where the measure does not apply."""

    @property
    def total(self) -> float | None:
        """The tagger's two fractions plus CLIP's cosine, as far as they are known; higher is better."""
        parts = [*(self.score.as_dict().values() if self.score else ())]
        parts += [] if self.clip is None else [self.clip / CLIP_SCALE]
        return sum(parts) if parts else None

    def as_dict(self) -> dict[str, float | int | str | None]:
        """All figures by name, flat; unknown ones are None, `answers` there only if questions are asked."""
        score = self.score.as_dict() if self.score else dict.fromkeys(("subject", "prompt"))
        nearest = asdict(self.measures.nearest) if self.measures.nearest else dict.fromkeys(NEAREST)
        measures = {name: value for name, value in asdict(self.measures).items() if name != "nearest"}
        named = {name: nearest[own] for own, name in NEAREST.items()}
        seen = {name: _mean(self.pictures.get(name, ())) for name in OF_THE_EYE}
        asked = (
            {} if ANSWERS.name not in self.pictures else {ANSWERS.name: _mean(self.pictures[ANSWERS.name])}
        )
        return {**score, "clip": self.clip, **asked, **seen, **measures, **named}


@dataclass(frozen=True)
class Candidate:
    """A network at a weight: mean score over its cells, its faults, and what the verdict says of it."""

    file: Path
    epoch: int
    weight: float
    total: float | None
    against: Sequence[str]
    joint: JointScore | None = None
    is_equal: bool = False
    """Whether it is as good as the proposed one, as far as the pictures show."""
    lost: Sequence[str] = ()
    """Titles of the measures by which it is worse than the base or its equals."""
    measures: Mapping[str, ConfidenceInterval] = field(default_factory=dict)


def ranked(
    cells: Mapping[tuple[Path, int, float], Sequence[Scored]], judgement: Judgement
) -> list[Candidate]:
    """In the order of the verdict. `cells`: each network's cells by file, epoch and weight."""
    rows = []
    for place in judgement.order:
        assert place.file is not None
        of_cells = cells.get((place.file, place.epoch, place.weight), ())
        found = {name: place.interval(measure) for name, measure in MEASURES.items()}
        rows.append(
            Candidate(
                place.file, place.epoch, place.weight,
                total=_mean([each.total for each in of_cells]),
                against=place.against,
                joint=judgement.joint(place),
                is_equal=place in judgement.equals,
                lost=[each.loss for each in judgement.lost.get((place.epoch, place.weight), ())],
                measures={name: each for name, each in found.items() if each is not None},
            )
        )  # fmt: skip
    return rows


def faults(cells: Sequence[Scored], base: Sequence[Scored]) -> list[str]:
    """Faults in words, each with its figures."""
    problems = []
    number = sum(cell.num_pictures for cell in cells)
    if blank := sum(cell.measures.blank for cell in cells):
        problems.append(f"{blank} of {number} pictures are blank")
    copies, usual = _share_of_copies(cells), _share_of_copies(base)
    if copies > usual + MOST_COPIES_FRACTION:
        problems.append(
            f"{copies:.0%} of the pictures are near copies of training pictures; the base alone: {usual:.0%}"
        )
    if not base:
        return problems
    colours, clipped = (_means(cells, name) for name in ("colours", "clipped"))
    base_colours, base_clipped = (_means(base, name) for name in ("colours", "clipped"))
    if colours < FEWEST_COLOURS_FRACTION * base_colours:
        problems.append(f"colours collapse: {colours:.1f} where the base alone has {base_colours:.1f}")
    if clipped > base_clipped + MOST_CLIPPED_MORE:
        problems.append(f"{clipped:.0%} of the values are burnt; the base alone: {base_clipped:.0%}")
    return problems


def _share_of_copies(cells: Sequence[Scored]) -> float:
    number = sum(cell.num_pictures for cell in cells)
    return (
        sum(cell.measures.nearest.copies for cell in cells if cell.measures.nearest) / number
        if number
        else 0.0
    )


def _means(cells: Sequence[Scored], name: str) -> float:
    return fmean(getattr(cell.measures, name) for cell in cells)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 4) if known else None
