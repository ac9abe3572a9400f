"""Whether the run is good, in a word and in sentences, each with its figures. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


CLEAR_SHARE = 0.05
"""By which a loss must differ to speak for or against a run."""
SOFT_SHARE = 0.5
"""Of the base's sharpness: below it the page says to look for smears."""


@dataclass(frozen=True)
class Verdict:
    """`kind`: good, doubt, bad, unknown. `gain`: the score less that of the base alone; None where one of
    them has none.
    """

    kind: str
    word: str
    sentences: Sequence[str]
    gain: float | None = None


def verdict(
    best: Mapping[str, Any] | None,
    base: Figures | None,
    findings: Sequence[Figures],
    per_cell: float,
    train: Figures | None = None,
) -> Verdict:
    """`best`: the first row of ranking.json; `base`: the base's figures; `findings`: the doctor's;
    `per_cell`: pictures of a cell; `train`: metrics/train.json, for a second measure.
    """
    against = [_sentence(finding["sentence"]) for finding in findings]
    loss = _loss_sentences(train, best)
    if best is None or best["total"] is None:
        told = ["No tagger and no CLIP model judged the pictures: compare them yourself."]
        return Verdict("doubt" if against else "unknown", "Judge by eye", [*against, *told, *loss])
    told = [*evidence(best["figures"], base or {}, per_cell), *loss, *_lacking(best, train)]
    faults = [*against, *map(_sentence, best["against"])]
    gain = gain_over(best["total"], base)
    kind, word = _judgement(gain, bool(faults), _fall(train))
    return Verdict(kind, word, [*faults, *told], gain)


def _judgement(gain: float | None, has_faults: bool, fall: float | None) -> tuple[str, str]:
    """Kind and word, by the gain in score and by how far the loss on held-out pictures fell."""
    if gain is not None and gain <= 0:
        if fall is not None and fall > CLEAR_SHARE:
            return "doubt", "The measures disagree"
        return "bad", "Nothing learned that the tagger can see"
    if fall is not None and fall <= 0:
        return "doubt", "The measures disagree"
    if has_faults:
        return "doubt", "Look twice"
    return "good", "It has learned"


def gain_over(total_score: float, base: Figures | None) -> float | None:
    """What the score is above that of the base alone."""
    return None if base is None or not is_scored(base) else round(total_score - total(base), 4)


def is_scored(figures: Figures) -> bool:
    return any(figures.get(name) is not None for name in ("subject", "prompt", "clip"))


def most_gain(base: Figures) -> float:
    """What the score could gain: shares of 1, and ten points of CLIP's cosine, which is a lot."""
    shares = sum(1 - base[name] for name in ("subject", "prompt") if base.get(name) is not None)
    return float(shares + (0.1 if base.get("clip") is not None else 0.0))


def _fall(train: Figures | None) -> float | None:
    """Share by which the loss on held-out pictures fell below the base's, at its best."""
    if not train or not train.get("validation_loss_base"):
        return None
    return 1 - float(train["validation_loss"]) / float(train["validation_loss_base"])


def _loss_sentences(train: Figures | None, best: Figures | None) -> list[str]:
    """The second measure: pictures that were kept out of training."""
    fall = _fall(train)
    if train is None or fall is None:
        return []
    way = "below" if fall > 0 else "above"
    told = f"On held-out pictures the loss is {abs(fall):.1%} {way} the base's, at its best after epoch"
    same = best is not None and best.get("epoch") == train["best_epoch"]
    return [f"{told} {train['best_epoch']}{', the proposed one' if same else ''}."]


def _lacking(best: Figures, train: Figures | None) -> list[str]:
    """Advice where a single measure judged."""
    if train is None or _fall(train) is not None or best["figures"].get("clip") is not None:
        return []
    return [
        "The tagger is the only measure: it sees what is shown, not how well. For a second one set"
        " use.validation to holdout, or sample_grid.clip."
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def total(figures: Figures) -> float:
    """The tagger's shares and CLIP's cosine, summed, as candidates are ranked by."""
    return float(
        sum(figures.get(name) or 0.0 for name in ("subject", "prompt")) + (figures.get("clip") or 0.0) / 100
    )


def evidence(figures: Figures, base: Figures, per_cell: float) -> list[str]:
    """What is known of the proposed file, next to the base alone."""
    told = []
    if (subject := figures.get("subject")) is not None:
        told.append(f"The tagger finds the subject in {subject:.0%} of its pictures{_base(base, 'subject')}.")
    if (prompt := figures.get("prompt")) is not None:
        told.append(f"It follows {prompt:.0%} of the prompt's other tags{_base(base, 'prompt')}.")
    if (clip := figures.get("clip")) is not None:
        alone = f"; the base alone: {base['clip']:.1f}" if base.get("clip") is not None else ""
        told.append(f"CLIP gives its pictures {clip:.1f} of 100{alone}.")
    sharp, usual = figures.get("sharpness"), base.get("sharpness")
    if sharp is not None and usual and sharp < SOFT_SHARE * usual:
        told.append(
            f"Its pictures have {sharp / usual:.0%} of the base's sharpness: flat, or smeared; look closely."
        )
    if copies := figures.get("copies"):
        told.append(f"Near copies of training pictures: {copies:.3g} of {per_cell:.3g}.")
    return told


def _base(base: Figures, name: str) -> str:
    return f"; the base alone: {base[name]:.0%}" if base.get(name) is not None else ""
