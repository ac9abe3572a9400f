"""Faults that the verdict finds of the proposed place, in sentences with their figures and a cure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pipeline.verdict.drift_scale import DriftScale
from pipeline.verdict.held_out_loss import HeldOutLoss
from pipeline.verdict.measures import BLEED, DRIFT, IDENTITY, Measure, Place
from pipeline.verdict.rule import Judgement
from pipeline.verdict.trigger import UnknownTrigger

_MOST_WORDS = 3
_HALF_WAY = 0.5
"""Of the way from the base alone to real pictures."""
_CURED_ALIKE = ("bleeding", "drift")
_PRESERVE = "a lower weight moves less; class pictures or train.preservation may hold it back"
"""Said once, with the last of those."""


@dataclass(frozen=True)
class VerdictFinding:
    """`kind` never changes: learned_little, trigger, by_heart, bleeding or drift."""

    kind: str
    sentence: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)

    def cured(self, cure: str) -> "VerdictFinding":
        """With what to do."""
        return VerdictFinding(self.kind, f"{self.sentence}: {cure}")


def findings(
    judgement: Judgement,
    base: Place | None,
    scale: DriftScale | None,
    trigger: UnknownTrigger | None,
    losses: HeldOutLoss | None,
    ceiling: float | None = None,
) -> list[VerdictFinding]:
    """Of the proposed place; empty without one. `ceiling`: the likeness of real pictures of the subject among
    themselves, where it is known.
    """
    place = judgement.proposed
    if place is None:
        return []
    lost = judgement.lost.get((place.epoch, place.weight), ())
    found: Mapping[str, str | None] = {
        "learned_little": _learned_little(place, base, judgement.main, ceiling),
        "trigger": _trigger(trigger) if trigger else None,
        "by_heart": _by_heart(losses, place.epoch) if losses else None,
        "bleeding": _bleeding(place, base) if BLEED in lost or bleeds(place, base) else None,
        "drift": _drift(place, scale) if DRIFT in lost and scale else None,
    }
    said = [VerdictFinding(kind, sentence) for kind, sentence in found.items() if sentence]
    moved = [each for each in said if each.kind in _CURED_ALIKE]
    return [each.cured(_PRESERVE) if moved[-1:] == [each] else each for each in said]


def _learned_little(
    place: Place, base: Place | None, main: Measure | None, ceiling: float | None
) -> str | None:
    """Said where even the interval's end is less than half of the way."""
    if main is None or base is None or not base.knows(main):
        return None
    alone, most = base.mean(main), ceiling if main is IDENTITY else 1.0
    found = place.interval(main)
    if found is None or most is None or most <= alone or found.high - alone >= _HALF_WAY * (most - alone):
        return None
    way = max(0.0, found.mean - alone) / (most - alone)
    end = "real pictures" if main is IDENTITY else "the subject in every picture"
    return (
        f"little is learned: by {main.title} it is {way:.0%} of the way from the base alone to {end}; train"
        " for longer, or change the rate as the training's own findings say"
    )


def _trigger(trigger: UnknownTrigger) -> str:
    return (
        f"the prompts begin with {_quoted(trigger.words)}, which no caption of the training has: the network"
        f" has not learned that; its captions have {trigger.instead!r}. Begin the prompts with what the"
        " captions have"
    )


def _quoted(words: Sequence[str]) -> str:
    """A grid may have a hundred prompts."""
    more = len(words) - _MOST_WORDS
    rest = [f"{more} more"] if more > 0 else []
    return " and ".join([*map(repr, words[:_MOST_WORDS]), *rest])


def _by_heart(losses: HeldOutLoss, epoch: int) -> str | None:
    rise = losses.rise(epoch)
    if rise is None or not losses.is_by_heart(epoch):
        return None
    return (
        f"learned by heart: from epoch {losses.best} to epoch {epoch} the loss on held-out pictures rises by"
        f" {rise.mean:.0%}, the mean of {rise.number} noise bands (surely by more than {rise.low:.0%}), while"
        f" that on training pictures falls by {losses.fall(epoch):.0%}: take an earlier epoch, train for"
        " fewer, or add pictures"
    )


def bleeds(place: Place, base: Place | None) -> bool:
    """Whether its share is surely above the base's mean. That is less than the rule asks for, which doubts
    the base's too: of eight pictures two are said, and five lost.
    """
    found, alone = place.interval(BLEED), base.mean(BLEED) if base and base.knows(BLEED) else 0.0
    return found is not None and found.low > alone


def _bleeding(place: Place, base: Place | None) -> str:
    alone = f"; the base alone {base.mean(BLEED):.0%}" if base and base.knows(BLEED) else ""
    return f"the subject appears in {place.mean(BLEED):.0%} of the pictures of other things{alone}"


def _drift(place: Place, scale: DriftScale) -> str:
    known = {"another seed": scale.seed, "another prompt": scale.prompt}
    (first, least), *others = [(name, each) for name, each in known.items() if each is not None]
    rest = "".join(f", {name} {each:.2f}" for name, each in others)
    return (
        f"strong drift: pictures of other things move {place.mean(DRIFT):.2f} from the base's own; {first}"
        f" lies {least:.2f} away{rest}"
    )
