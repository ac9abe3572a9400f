"""Whether the run is good, in a word and in sentences, each with its figures. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """`kind`: good, doubt, bad, unknown."""

    kind: str
    word: str
    sentences: Sequence[str]


def verdict(
    best: Mapping[str, Any] | None, base: Figures | None, findings: Sequence[Figures], per_cell: float
) -> Verdict:
    """`best`: the first row of ranking.json; `base`: the base's figures; `findings`: the doctor's;
    `per_cell`: pictures of a cell.
    """
    against = [_sentence(finding["sentence"]) for finding in findings]
    if best is None or best["total"] is None:
        told = ["No tagger and no CLIP model judged the pictures: compare them yourself."]
        return Verdict("doubt" if against else "unknown", "Judge by eye", [*against, *told])
    told = evidence(best["figures"], base or {}, per_cell)
    faults = [*against, *map(_sentence, best["against"])]
    if base is not None and best["total"] <= total(base):
        word = "Nothing learned that the tagger can see"
        return Verdict("bad", word, [*faults, *told])
    if faults:
        return Verdict("doubt", "Look twice", [*faults, *told])
    return Verdict("good", "It has learned", told)


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
    if copies := figures.get("copies"):
        told.append(f"Near copies of training pictures: {copies:.3g} of {per_cell:.3g}.")
    return told


def _base(base: Figures, name: str) -> str:
    return f"; the base alone: {base[name]:.0%}" if base.get(name) is not None else ""
