"""The rule that proposes an epoch and a weight.

Of the places without faults, and whose epoch does not know its pictures by heart, those stay that are as good
as the best, as far as the pictures show, by what the network is trained for; of them, those that lose nothing
else, against the base alone or against each other; of them, the weakest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.verdict.drift_scale import DriftScale
from pipeline.verdict.held_out_loss import HeldOutLoss
from pipeline.verdict.joint import JointScore, joint_score
from pipeline.verdict.measures import BY_HEART, DRIFT, MAIN, MUST_NOT_LOSE, QUALITY, Measure, Place, gain


@dataclass(frozen=True)
class Judgement:
    """`order`: all places, the proposed one first, then its equals, then the others by joint score. `equals`:
    what is as good as the proposed one, weakest first. `lost`: by place, the measures that it
    loses.
    """

    order: Sequence[Place]
    equals: Sequence[Place]
    main: Measure | None
    lost: Mapping[tuple[int, float], Sequence[Measure]]
    joint: Callable[[Place], JointScore | None]

    @property
    def proposed(self) -> Place | None:
        return self.order[0] if self.order else None


def judged(
    places: Sequence[Place],
    base: Place | None,
    ceiling: float | None = None,
    scale: DriftScale | None = None,
    held_out: HeldOutLoss | None = None,
) -> Judgement:
    """`ceiling`: the likeness of real pictures of the subject among themselves, where it is known; `scale`:
    of drift; `held_out`: the losses by epoch.
    """

    def joint(place: Place) -> JointScore | None:
        return joint_score(place, base, ceiling)

    sound = [place for place in places if not place.against] or list(places)
    healthy = [place for place in sound if not _by_heart(place, held_out)] or sound
    main = next((each for each in MAIN if healthy and all(place.knows(each) for place in healthy)), None)
    if main is None:
        return Judgement(_without_measures(places, joint), [], None, {}, joint)
    close = _close_to_the_best(healthy, main)
    lost = {(place.epoch, place.weight): losses(place, close, base, scale, held_out) for place in close}
    least = max(place.mean(main) for place in close)
    over = [place for place in sound if place not in healthy and place.mean(main) >= least]
    lost |= {(place.epoch, place.weight): [BY_HEART] for place in over}
    kept = [place for place in close if not lost[place.epoch, place.weight]] or _least_lossy(
        close, lost, joint
    )
    kept = _close_to_the_best(kept, main)
    equals = sorted(kept, key=lambda place: (place.strength, place.epoch))
    others = sorted(
        (place for place in places if place not in equals),
        key=lambda place: (bool(place.against), place not in close, -_value(joint(place)), place.strength),
    )
    return Judgement([*equals, *others], equals, main, lost, joint)


def _close_to_the_best(places: Sequence[Place], main: Measure) -> list[Place]:
    """Those that are as good as the best of `places`. Asked again once the best of all is passed over: two
    that are as good as one of wide scatter may differ surely.
    """
    best = max(places, key=lambda place: place.mean(main))
    return [place for place in places if _is_close(place, best, main)]


def _is_close(place: Place, best: Place, main: Measure) -> bool:
    """Whether the pictures leave it open which is better. Without an interval, within a hundredth."""
    if place is best:
        return True
    ahead = gain(best, place, main)
    return ahead.low <= 0 if ahead else best.mean(main) - place.mean(main) <= 0.01


def losses(
    place: Place,
    close: Sequence[Place],
    base: Place | None,
    scale: DriftScale | None = None,
    held_out: HeldOutLoss | None = None,
) -> list[Measure]:
    """Measures by which it is surely worse than the base alone, or than the best of `close`; drift, if it is
    strong; the held-out loss, if its epoch surely knows the pictures by heart. Quality is held against the
    others only: a base that draws something else may well draw it more cleanly. Drift is held against its
    scale only: of two weights the higher always drifts further.
    """
    found = []
    for measure in MUST_NOT_LOSE:
        rivals = [each for each in close if each.knows(measure)]
        compared = [_best(rivals, measure)] if rivals else []
        compared += [base] if base and measure is not QUALITY else []
        behind = [gain(place, rival, measure) for rival in compared if rival is not place]
        if any(each is not None and each.high < 0 for each in behind):
            found.append(measure)
    if drifts_far(place, scale):
        found.append(DRIFT)
    return [*found, BY_HEART] if _by_heart(place, held_out) else found


def _by_heart(place: Place, held_out: HeldOutLoss | None) -> bool:
    """Its likeness is then no proof that it has learned what the pictures share."""
    return held_out is not None and held_out.is_by_heart(place.epoch)


def _best(places: Sequence[Place], measure: Measure) -> Place:
    choose = min if measure.is_lower_better else max
    return choose(places, key=lambda place: place.mean(measure))


def drifts_far(place: Place, scale: DriftScale | None) -> bool:
    """Whether its drift is surely strong."""
    found, strong = place.interval(DRIFT), scale.strong if scale else None
    return found is not None and strong is not None and found.low > strong


def _least_lossy(
    close: Sequence[Place],
    lost: Mapping[tuple[int, float], Sequence[Measure]],
    joint: Callable[[Place], JointScore | None],
) -> list[Place]:
    """All lose something: the one that loses the fewest measures, of these that of the best joint score."""
    return [max(close, key=lambda place: (-len(lost[place.epoch, place.weight]), _value(joint(place))))]


def _without_measures(places: Sequence[Place], joint: Callable[[Place], JointScore | None]) -> list[Place]:
    """Nothing says what it is trained for: by what is known; without anything the longest training first."""
    return sorted(
        places, key=lambda place: (bool(place.against), -_value(joint(place)), -place.epoch, -place.weight)
    )


def _value(joint: JointScore | None) -> float:
    return joint.value if joint else 0.0
