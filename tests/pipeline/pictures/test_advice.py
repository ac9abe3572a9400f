import pytest

from pipeline.pictures.advice import Concept, class_advice, counts_advice, proposed_repeats, repeats_advice


@pytest.mark.parametrize(
    ("aim", "pictures", "told"),
    [("character", 7, True), ("character", 8, False), ("character", 51, True), ("style", 49, True),
     ("style", 500, False), ("embedding", 9, True), ("person", 100, False),
     ("concept", 1, False), (None, 1, False)],
)  # fmt: skip
def test_counts_are_held_against_the_aim(aim: str | None, pictures: int, told: bool) -> None:
    assert bool(counts_advice([Concept("zib", pictures, pictures)], aim)) is told


def test_the_practitioners_figures_come_out() -> None:
    assert proposed_repeats([Concept("zib", 20, 20)], "character") == {"zib": 7}
    assert proposed_repeats([Concept("oil", 50, 50)], "style") == {"oil": 5}
    assert proposed_repeats([Concept("zib", 20, 20)], None) == {}


def test_several_concepts_are_balanced() -> None:
    concepts = [Concept("a", 10, 100), Concept("b", 30, 30)]
    assert proposed_repeats(concepts, None) == {"a": 10, "b": 3}
    (sentence,) = repeats_advice(concepts, None)
    assert sentence == "b: 30 showings an epoch, about 90 are usual; name its folder 3_b"


def test_near_enough_is_not_told() -> None:
    assert repeats_advice([Concept("a", 10, 100), Concept("b", 30, 90)], None) == []
    assert repeats_advice([Concept("zib", 24, 168)], "character") == []


@pytest.mark.parametrize(
    ("subject", "class_", "words"),
    [
        (140, 0, None),
        (140, 140, None),
        (140, 100, None),
        (140, 141, "some are never shown"),
        (140, 90, "several times"),
    ],
)
def test_class_pictures_are_held_against_the_subjects(subject: int, class_: int, words: str | None) -> None:
    told = class_advice(subject, class_)
    assert told == [] if words is None else words in told[0]
