"""The content of verdict.json."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline.verdict.drift_scale import DriftScale
from pipeline.verdict.findings import VerdictFinding
from pipeline.verdict.held_out_loss import HeldOutLoss
from pipeline.verdict.measures import MEASURES, NONE_HELD_OUT, Measure, Place
from pipeline.verdict.rule import Judgement


def verdict_content(
    judgement: Judgement,
    base: Place | None,
    said: Sequence[str],
    num_held_out: int,
    faults: Sequence[VerdictFinding] = (),
    scale: DriftScale | None = None,
    losses: HeldOutLoss | None = None,
) -> dict[str, Any]:
    """What is proposed, its joint score and what equals it, the sentences, what is found, the base's
    measures, what measures mean, the scale of drift, and losses on held-out pictures by epoch and noise band.
    """
    joint = judgement.joint(judgement.proposed) if judgement.proposed else None
    known = [each for each in MEASURES.values() if any(place.knows(each) for place in judgement.order)]
    return {
        "proposed": _named(judgement.proposed),
        "equals": [_named(place) for place in judgement.equals],
        "decided_by": judgement.main.name if judgement.main else None,
        "joint": joint.as_dict() if joint else None,
        "sentences": list(said),
        "found": [each.as_dict() for each in faults],
        "base": {
            each.name: found.as_dict()
            for each in known
            if base and (found := base.interval(each)) is not None
        },
        "measures": [_described(each, num_held_out) for each in known],
        "drift_scale": scale.as_dict() if scale else None,
        "held_out_loss": losses.as_dict() if losses else None,
    }


def _described(measure: Measure, num_held_out: int) -> dict[str, Any]:
    meaning = measure.meaning if num_held_out else NONE_HELD_OUT.get(measure.name, measure.meaning)
    return asdict(measure) | {"meaning": meaning}


def _named(place: Place | None) -> dict[str, Any] | None:
    if place is None or place.file is None:
        return None
    return {"file": place.file.name, "epoch": place.epoch, "weight": place.weight}
