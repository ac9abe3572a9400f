"""Judges the run in a word and in sentences with figures. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CellFigures = Mapping[str, Any]


CLEAR_FRACTION = 0.05
"""Relative difference from which a loss counts for or against a run."""
_QUALITY = "quality"
SOFT_FRACTION = 0.5
"""Fraction of the base's sharpness: below it the page warns of smears."""


@dataclass(frozen=True)
class RunVerdict:
    """`kind`: good, doubt, bad, unknown. `said`: the verdict in three sentences; `faults`: what speaks
    against it; `evidence`: what the measures say. `gain`: the score minus the base's; None if one of them is
    unknown.
    """

    kind: str
    word: str
    faults: Sequence[str]
    said: Sequence[str]
    evidence: Sequence[str]
    gain: float | None = None

    @property
    def sentences(self) -> list[str]:
        """All of them."""
        return [*self.faults, *self.said, *self.evidence]


def verdict(
    best: Mapping[str, Any] | None,
    base: CellFigures | None,
    findings: Sequence[CellFigures],
    per_cell: float,
    train: CellFigures | None = None,
    measured: Mapping[str, Any] | None = None,
) -> RunVerdict:
    """`best`: the first row of ranking.json; `base`: the base's figures; `findings`: the doctor's;
    `per_cell`: pictures per cell; `train`: metrics/train.json, for a second measure; `measured`:
    verdict.json.
    """
    against = [_sentence(finding["sentence"]) for finding in findings]
    loss = _loss_sentences(train, best)
    said = measured["sentences"] if measured else []
    if best is None or (best["total"] is None and not said):
        found = [*against, *_unscored_faults(best, base, measured)]
        return RunVerdict("doubt" if found else "unknown", "Judge by eye", found, [_advice(best)], loss)
    figures = best["figures"]
    if measured and measured["decided_by"] == "subject":  # the first sentence says it
        figures = {name: value for name, value in figures.items() if name != "subject"}
    found = [
        *_joint(measured),
        *evidence(figures, base or {}, per_cell),
        *loss,
        *_lacking(best, train),
    ]
    doubts = [*_found(measured), *_softness(best["figures"], base or {}), *_worse_quality(best, measured)]
    faults = [*against, *map(_sentence, best["against"]), *doubts]
    gain = None if best["total"] is None else gain_over(best["total"], base)
    rise = gain if gain is not None else _rise(best, measured)
    kind, word = _judgement(rise, bool(faults), _fall(train), gain is not None)
    return RunVerdict(kind, word, faults, said, found, gain)


def _advice(best: Mapping[str, Any] | None) -> str:
    """Where nothing is proposed, pictures may still have scores: of merges, or of networks from elsewhere."""
    if best is None:
        return "The grid draws no place of this training, so none is proposed: compare pictures yourself."
    return "No tagger and no CLIP model scored the pictures: compare them yourself."


def _unscored_faults(
    best: Mapping[str, Any] | None, base: CellFigures | None, measured: Mapping[str, Any] | None
) -> list[str]:
    """What needs no score: blank or copied pictures, a wrong trigger, losses that rise, smears."""
    if best is None:
        return []
    return [*map(_sentence, best["against"]), *_found(measured), *_softness(best["figures"], base or {})]


def _rise(best: Mapping[str, Any], measured: Mapping[str, Any] | None) -> float | None:
    """How far the measure that decides is surely above the base's mean; None if one of them is unknown."""
    name = measured["decided_by"] if measured else None
    own, alone = best.get("measures", {}).get(name), (measured or {"base": {}})["base"].get(name)
    return None if not own or not alone or own["low"] is None else float(own["low"] - alone["mean"])


def _judgement(gain: float | None, has_faults: bool, fall: float | None, by_tagger: bool) -> tuple[str, str]:
    """Kind and word, from the gain in score and the fall of the loss on held-out pictures."""
    if gain is not None and gain <= 0:
        if fall is not None and fall > CLEAR_FRACTION:
            return "doubt", "The measures disagree"
        return "bad", "The tagger sees no improvement" if by_tagger else "Not surely better than the base"
    if fall is not None and fall <= 0:
        return "doubt", "The measures disagree"
    if has_faults:
        return "doubt", "Look twice"
    return "good", "It has learned"


def gain_over(total_score: float, base: CellFigures | None) -> float | None:
    """The score minus the base's; None if the base has none."""
    return None if base is None or not is_scored(base) else round(total_score - total(base), 4)


def is_scored(figures: CellFigures) -> bool:
    return any(figures.get(name) is not None for name in ("subject", "prompt", "clip"))


def most_gain(base: CellFigures) -> float:
    """The possible gain: shares up to 1, and ten points of CLIP's cosine, which is a lot."""
    shares = sum(1 - base[name] for name in ("subject", "prompt") if base.get(name) is not None)
    return float(shares + (0.1 if base.get("clip") is not None else 0.0))


def _fall(train: CellFigures | None) -> float | None:
    """Fraction by which the best loss on held-out pictures is below the base's."""
    if not train or not train.get("validation_loss_base"):
        return None
    return 1 - float(train["validation_loss"]) / float(train["validation_loss_base"])


def _loss_sentences(train: CellFigures | None, best: CellFigures | None) -> list[str]:
    """The second measure: the loss on held-out pictures."""
    fall = _fall(train)
    if train is None or fall is None:
        return []
    way = "below" if fall > 0 else "above"
    start = f"On held-out pictures the loss is {abs(fall):.1%} {way} the base's, at its best after epoch"
    same = best is not None and best.get("epoch") == train["best_epoch"]
    return [f"{start} {train['best_epoch']}{', the proposed one' if same else ''}."]


def _lacking(best: CellFigures, train: CellFigures | None) -> list[str]:
    """Advice if there is only one measure."""
    known = ("clip", "answers", "identity")
    if (
        train is None
        or _fall(train) is not None
        or any(best["figures"].get(name) is not None for name in known)
    ):
        return []
    return [
        "The tagger is the only measure: it sees what a picture shows, not how well. For a second measure set"
        " use.validation to holdout, or use.vision to an encoder."
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def total(figures: CellFigures) -> float:
    """The sum of the tagger's shares and CLIP's cosine, by which candidates are ranked."""
    return float(
        sum(figures.get(name) or 0.0 for name in ("subject", "prompt")) + (figures.get("clip") or 0.0) / 100
    )


def evidence(figures: CellFigures, base: CellFigures, per_cell: float) -> list[str]:
    """Figures of the proposed file, compared with the base alone."""
    sentences = []
    if (subject := figures.get("subject")) is not None:
        sentences.append(
            f"The tagger finds the subject in {subject:.0%} of its pictures{_base(base, 'subject')}."
        )
    if (prompt := figures.get("prompt")) is not None:
        sentences.append(f"It follows {prompt:.0%} of the prompt's other tags{_base(base, 'prompt')}.")
    if (clip := figures.get("clip")) is not None:
        alone = f"; the base alone: {base['clip']:.1f}" if base.get("clip") is not None else ""
        sentences.append(f"CLIP gives its pictures {clip:.1f} of 100{alone}.")
    if (answers := figures.get("answers")) is not None:
        sentences.append(f"Questions are answered rightly with {answers:.0%}{_base(base, 'answers')}.")
    if copies := figures.get("copies"):
        sentences.append(f"Near copies of training pictures: {copies:.3g} of {per_cell:.3g}.")
    return sentences


def _joint(measured: Mapping[str, Any] | None) -> list[str]:
    """The score that searches maximise, side by side."""
    if not measured or not measured.get("joint"):
        return []
    joint = measured["joint"]
    sides = ", ".join(f"{name} {value:.0%}" for name, value in joint["sides"].items())
    missing = f"; not measured: {', '.join(joint['missing'])}" if joint["missing"] else ""
    return [f"Joint score {joint['value']:.2f}: {sides}{missing}."]


def _found(measured: Mapping[str, Any] | None) -> list[str]:
    """What the grid's verdict finds of the proposed place."""
    return [_sentence(each["sentence"]) for each in measured.get("found", ())] if measured else []


def _softness(figures: CellFigures, base: CellFigures) -> list[str]:
    """A warning if the pictures are much less sharp than the base's; taggers do not see that."""
    sharp, usual = figures.get("sharpness"), base.get("sharpness")
    if sharp is None or not usual or sharp >= SOFT_FRACTION * usual:
        return []
    return [f"Its pictures have {sharp / usual:.0%} of the base's sharpness: they may be smeared."]


def _worse_quality(best: Mapping[str, Any], measured: Mapping[str, Any] | None) -> list[str]:
    """A warning if its pictures are surely of lower quality than the base's own."""
    own, alone = best.get("measures", {}).get(_QUALITY), (measured or {"base": {}})["base"].get(_QUALITY)
    if not own or not alone or None in (own["high"], alone["low"]) or own["high"] >= alone["low"]:
        return []
    return [
        f"The aesthetic head gives its pictures {own['mean']:.2f}, the base's {alone['mean']:.2f}: look at"
        " faces and edges."
    ]


def _base(base: CellFigures, name: str) -> str:
    return f"; the base alone: {base[name]:.0%}" if base.get(name) is not None else ""
