"""One number for a place, to search by: the mean of four sides, each 0..1.

    identity    (likeness - the base's) / (that of real pictures - the base's); the subject's share likewise
    prompt      the share of the prompt's tags, without a tagger CLIPScore over the base's; the answers to
                questions
    retained    1 - drift: the base alone is 1; the share of other prompts' tags
    quality     the aesthetic head's score

A side is the mean of its measures that are known. What a project cannot measure is left out and named: scores
compare only where they have the same sides. Only identity counts from the base: a base follows its prompts
and draws cleanly before any training, and there is nothing above it to reach. A CLIPScore has no scale of its
own (a good picture has 25 to 35 of 100), so it joins no mean of shares: it counts as a part of the base's.
Bleeding is left to the rule: drift and the other prompts' tags have seen it already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean
from typing import Any

from pipeline.verdict.measures import (
    ANSWERS,
    DRIFT,
    IDENTITY,
    PROMPT,
    PROMPT_CLIP,
    QUALITY,
    RETAINED,
    SUBJECT,
    Place,
)

SIDES = ("identity", "prompt", "retained", "quality")


@dataclass(frozen=True)
class JointScore:
    """`sides`: 0..1 by name, as far as they are known."""

    sides: Mapping[str, float]

    @property
    def value(self) -> float:
        return fmean(self.sides.values())

    @property
    def missing(self) -> Sequence[str]:
        """Sides that nothing measures."""
        return [side for side in SIDES if side not in self.sides]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "value": round(self.value, 4),
            "sides": {name: round(value, 4) for name, value in self.sides.items()},
            "missing": list(self.missing),
        }


def joint_score(place: Place, base: Place | None, ceiling: float | None) -> JointScore | None:
    """None if nothing is measured. `ceiling`: the likeness of real pictures of the subject among themselves,
    where it is known.
    """
    likeness = _from_base(place.mean(IDENTITY), base.mean(IDENTITY) if base else float("nan"), ceiling)
    subject = _from_base(place.mean(SUBJECT), base.mean(SUBJECT) if base else float("nan"), 1.0)
    known = {
        "identity": [likeness, subject],
        "prompt": [place.mean(PROMPT) if place.knows(PROMPT) else _clip(place, base), place.mean(ANSWERS)],
        "retained": [1 - place.mean(DRIFT), place.mean(RETAINED)],
        "quality": [place.mean(QUALITY)],
    }
    sides = {
        side: fmean(min(1.0, max(0.0, each)) for each in values if not isnan(each))
        for side, values in known.items()
        if not all(map(isnan, values))
    }
    return JointScore(sides) if sides else None


def _from_base(value: float, least: float, most: float | None) -> float:
    """0 at the base's, 1 at `most`; the value itself where one of them is not known."""
    if isnan(least) or most is None or most <= least:
        return value
    return (value - least) / (most - least)


def _clip(place: Place, base: Place | None) -> float:
    """CLIPScore as a part of the base's; NaN without a base."""
    alone = base.mean(PROMPT_CLIP) if base else float("nan")
    return place.mean(PROMPT_CLIP) / alone if alone > 0 else float("nan")
