"""What is measured of a grid's pictures, and the measures of one place of it: an epoch at a weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.verdict.intervals import ConfidenceInterval, PictureValues, difference, interval


@dataclass(frozen=True)
class Measure:
    """`title`, `meaning` and `loss` for people: what a place that is worse by it does; `is_share`: it lies in
    0..1 and counts something.
    """

    name: str
    title: str
    meaning: str
    loss: str = ""
    is_share: bool = False
    is_lower_better: bool = False


IDENTITY = Measure("identity", "likeness", "similarity to the nearest picture that was held out of training")
LIKENESS = Measure(
    "likeness", "mean likeness", "mean similarity to the pictures that were held out of training"
)
SUBJECT = Measure(
    "subject", "subject", "share of pictures in which the tagger finds the subject", is_share=True
)
PROMPT = Measure(
    "prompt",
    "prompt",
    "share of the prompt's other tags that the tagger finds",
    "follows the prompt less",
    is_share=True,
)
PROMPT_CLIP = Measure("clip", "CLIP", "CLIPScore of picture and prompt", "fits the prompt less by CLIP")
ANSWERS = Measure(
    "answers",
    "answers",
    "how likely the right answers to the questions are",
    "shows less of what the questions ask",
    is_share=True,
)
QUALITY = Measure("quality", "quality", "the aesthetic head's score", "draws less cleanly")
DRIFT = Measure(
    "drift",
    "drift",
    "distance from the base's own picture, for prompts without the subject",
    "moves other things far",
    is_lower_better=True,
)
RETAINED = Measure(
    "retained",
    "retained",
    "share of such prompts' tags that the tagger still finds",
    "retains less of other things",
    is_share=True,
)
BLEED = Measure(
    "bleed",
    "bleeding",
    "share of such prompts' pictures in which the tagger finds the subject all the same",
    "puts the subject into other things",
    is_share=True,
    is_lower_better=True,
)
NEAREST_TRAINING = Measure(
    "nearest_training", "nearest", "similarity to the nearest training picture", is_lower_better=True
)
BY_HEART = Measure(
    "by_heart",
    "held-out loss",
    "of the epoch, not of pictures: whether it rises while that on training pictures falls",
    "knows its pictures by heart",
    is_lower_better=True,
)
MEASURES = {
    each.name: each
    for each in (
        IDENTITY,
        LIKENESS,
        SUBJECT,
        PROMPT,
        PROMPT_CLIP,
        ANSWERS,
        QUALITY,
        DRIFT,
        RETAINED,
        BLEED,
        NEAREST_TRAINING,
    )
}
NONE_HELD_OUT = {
    IDENTITY.name: "similarity to the nearest training picture, since none is held out",
    LIKENESS.name: "mean similarity to the training pictures, since none is held out",
}
"""What these measures mean then, by name."""
MAIN = (IDENTITY, SUBJECT)
"""What a network is trained for: the first that is known decides."""
MUST_NOT_LOSE = (PROMPT, PROMPT_CLIP, ANSWERS, QUALITY, RETAINED, BLEED)
"""What it must not lose. Drift is judged on a scale of its own (drift_scale.py)."""


@dataclass(frozen=True)
class Place:
    """The pictures of one network at one weight, or of the base alone.

    `values`: [pictures] of each known measure, in the same order of prompts and seeds at every place;
    `prompts`: [pictures] numbers of their prompts, by measure. `against`: faults in words.
    """

    file: Path | None
    epoch: int
    weight: float
    values: Mapping[str, PictureValues]
    prompts: Mapping[str, Sequence[int]]
    against: Sequence[str] = ()

    @property
    def strength(self) -> float:
        """Epochs times weight, whatever its sign: how far it goes from the base."""
        return self.epoch * abs(self.weight)

    def knows(self, measure: Measure) -> bool:
        return measure.name in self.values and bool(np.isfinite(self.values[measure.name]).any())

    def mean(self, measure: Measure) -> float:
        """NaN where it is not known."""
        return float(np.nanmean(self.values[measure.name])) if self.knows(measure) else float("nan")

    def interval(self, measure: Measure) -> ConfidenceInterval | None:
        if not self.knows(measure):
            return None
        return interval(self.values[measure.name], self.prompts[measure.name], measure.is_share)


def gain(one: Place, two: Place, measure: Measure) -> ConfidenceInterval | None:
    """How much better `one` is than `two`, from pictures of the same prompts and seeds; None if a place lacks
    it or the places drew different pictures.
    """
    if not (one.knows(measure) and two.knows(measure)):
        return None
    first, second = one.values[measure.name], two.values[measure.name]
    if len(first) != len(second):
        return None
    if measure.is_lower_better:
        first, second = second, first
    return difference(first, second, one.prompts[measure.name], measure.is_share)
