"""The verdict in three sentences: what is proposed and why, what is as good or loses something, and what
would settle it.
"""

from collections.abc import Sequence
from math import ceil, isfinite

from pipeline.verdict.intervals import ConfidenceInterval
from pipeline.verdict.measures import Measure, Place, gain
from pipeline.verdict.rule import Judgement

MOST_SEEDS = 200
"""More than these tell nothing that an eye would see."""
_TOO_FEW = 4
"""So many or fewer of each place do not show that two places are equal."""
_MOST_NAMED = 6
"""Places in a sentence; the page's charts have them all."""


def named(place: Place) -> str:
    return f"epoch {place.epoch} at weight {place.weight:g}" if place.epoch else f"weight {place.weight:g}"


def sentences(
    judgement: Judgement, base: Place | None, num_seeds: int, num_held_out: int | None
) -> list[str]:
    """Three of them; fewer where nothing is measured."""
    place, main = judgement.proposed, judgement.main
    if place is None or main is None:
        return []
    return [_why(place, main, base), _equals(judgement), _settled(judgement, num_seeds, num_held_out)]


def _why(place: Place, main: Measure, base: Place | None) -> str:
    found = place.interval(main)
    assert found is not None
    alone = f"; the base alone {_figure(base.mean(main), main)}" if base and base.knows(main) else ""
    low, high = _figure(max(found.low, -1), main), _figure(found.high, main)
    between = f"{low} to {high}" if isfinite(found.high) else "of one picture"
    return f"Take {named(place)}: {main.title} {_figure(found.mean, main)} ({between}){alone}."


def _equals(judgement: Judgement) -> str:
    others = [named(place) for place in judgement.equals[1:]]
    lost = [
        f"{named(place)} ({', '.join(each.loss for each in judgement.lost[place.epoch, place.weight])})"
        for place in judgement.order
        if judgement.lost.get((place.epoch, place.weight))
    ]
    if len(judgement.equals) == 1 and judgement.proposed is not None:
        own = judgement.lost.get((judgement.proposed.epoch, judgement.proposed.weight))
        if own:
            start = "Each of the best has a cost: this one" if len(judgement.lost) > 1 else "At a cost: it"
            return f"{start} {_listed([each.loss for each in own])}."
    parts = []
    if others:
        verb = "is" if len(others) == 1 else "are"
        as_good = f"{_listed(_first(others))} {verb} as good, as far as these pictures show"
        parts.append(f"{as_good}; the proposed one is the weakest of them")
    if lost:
        parts.append(f"as good, but at a cost: {_listed(_first(lost))}")
    return f"{'; '.join(parts)[0].upper()}{'; '.join(parts)[1:]}." if parts else _alone(judgement)


def _alone(judgement: Judgement) -> str:
    """What there is to say of the other places: a fault takes a place out before anything is compared."""
    proposed, *others = judgement.order
    if not others:
        return "No other place was drawn."
    faulty = [] if proposed.against else [place for place in others if place.against]
    if len(faulty) == len(others):
        return "Every other place has a fault."
    return f"No other place {'without a fault ' if faulty else ''}comes close."


def _settled(judgement: Judgement, num_seeds: int, num_held_out: int | None) -> str:
    few = num_held_out is not None and num_held_out < 5
    held_out = " and more pictures held out of training (use.validation: holdout)" if few else ""
    if len(judgement.equals) < 2:
        clear = "; the order is clear" if _is_clear(judgement) else ""
        return f"More seeds{held_out} would narrow the interval{clear}."
    assert judgement.main is not None
    ahead = _ahead(judgement.equals, judgement.main)
    if ahead is not None and (ahead.number < 2 or not isfinite(ahead.low)):
        return f"More seeds{held_out} would tell them apart: one picture of each says nothing of chance."
    needed = seeds_to_settle(judgement.equals, judgement.main, num_seeds)
    if needed is None and (ahead is None or ahead.number <= _TOO_FEW):
        return f"More seeds{held_out} may tell them apart: so few pictures say little of chance."
    if needed is None:
        return f"More than {MOST_SEEDS} seeds would be needed to tell them apart: they are equal for any eye."
    return f"About {needed} seeds{held_out} would tell them apart; there are {num_seeds}."


def _is_clear(judgement: Judgement) -> bool:
    """Whether no other place is as good; where all of the best lose something, only costs were weighed."""
    place = judgement.proposed
    assert place is not None
    is_weighed = bool(judgement.lost.get((place.epoch, place.weight))) and len(judgement.lost) > 1
    return len(judgement.order) > 1 and not is_weighed


def seeds_to_settle(equals: Sequence[Place], main: Measure, num_seeds: int) -> int | None:
    """Seeds at which the interval of the difference between the worst and the best of them would leave out
    0, if the difference stays what it is: intervals narrow with the root of the number.
    """
    ahead = _ahead(equals, main)
    if ahead is None or ahead.mean <= 0 or not isfinite(ahead.low):
        return None
    needed = ceil(num_seeds * ((ahead.mean - ahead.low) / ahead.mean) ** 2)
    return needed if needed <= MOST_SEEDS else None


def _ahead(equals: Sequence[Place], main: Measure) -> ConfidenceInterval | None:
    """How far the best of them is ahead of the worst; None if they have no pictures in common."""
    best = max(equals, key=lambda place: place.mean(main))
    worst = min(equals, key=lambda place: place.mean(main))
    return gain(best, worst, main)


def _figure(value: float, measure: Measure) -> str:
    return f"{value:.0%}" if measure.is_share else f"{value:.2f}"


def _first(names: list[str]) -> list[str]:
    """The first, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return [*names[:_MOST_NAMED], f"{more} more"] if more > 1 else names


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
