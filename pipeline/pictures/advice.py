"""Usual numbers of pictures for an aim, and repeats that fit the set. Arithmetic only."""

from collections.abc import Sequence
from dataclasses import dataclass

ADVISED = {"person": (10, 100), "character": (8, 50), "style": (50, None), "embedding": (10, 50)}
"""Aim -> fewest and most pictures; about 100 are best for a style."""
SAMPLES_AN_EPOCH = {"character": 7 * 20, "person": 7 * 20, "style": 5 * 50}
"""Aim -> showings an epoch: about 7 repeats for a character of 20 pictures, 5 for a style of 50."""
BALANCE = 1.5
"""A warning follows if repeats x pictures of two concepts differ by more than this factor."""


@dataclass(frozen=True)
class Concept:
    """A concept's pictures, and their showings an epoch."""

    name: str
    pictures: int
    samples: int


def counts_advice(concepts: Sequence[Concept], aim: str | None) -> list[str]:
    """A sentence for each concept with fewer or more pictures than usual for the aim."""
    if aim not in ADVISED:
        return []
    fewest, most = ADVISED[aim]
    usual = f"{fewest}-{most}" if most else f"at least {fewest}, best about 100"
    return [
        f"{concept.name}: {concept.pictures} pictures; {usual} are usual for the aim {aim}"
        for concept in concepts
        if concept.pictures < fewest or (most and concept.pictures > most)
    ]


def proposed_repeats(concepts: Sequence[Concept], aim: str | None) -> dict[str, int]:
    """Repeats by concept: the usual ones for the aim, else those that make repeats x pictures of all concepts
    about equal; empty if neither applies.
    """
    if aim in SAMPLES_AN_EPOCH:
        target = SAMPLES_AN_EPOCH[aim]
    elif len(concepts) > 1:
        target = max(concept.samples for concept in concepts)
    else:
        return {}
    return {concept.name: max(1, round(target / concept.pictures)) for concept in concepts}


def repeats_advice(concepts: Sequence[Concept], aim: str | None) -> list[str]:
    """A sentence for each concept that is shown far more or less often than proposed."""
    sentences = []
    for concept in concepts:
        repeats = proposed_repeats(concepts, aim).get(concept.name)
        if repeats is None:
            continue
        usual = repeats * concept.pictures
        low, high = sorted((concept.samples, usual))
        if high > BALANCE * low:
            sentences.append(
                f"{concept.name}: {concept.samples} showings an epoch, about {usual} are"
                f" usual; name its folder {repeats}_{concept.name}"
            )
    return sentences


def class_advice(exposures: int, class_exposures: int) -> list[str]:
    """Class pictures beyond repeats x pictures are never shown; far fewer are shown over and over."""
    if class_exposures > exposures:
        return [
            f"{class_exposures} showings of class pictures an epoch, but {exposures} of the subject:"
            " some are never shown; raise the repeats, or take fewer class pictures"
        ]
    if class_exposures and BALANCE * class_exposures < exposures:
        return [
            f"{class_exposures} showings of class pictures an epoch for {exposures} of the subject:"
            " each is shown several times; as many as repeats x pictures are best"
        ]
    return []
