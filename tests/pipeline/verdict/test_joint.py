"""The joint score on places made by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.verdict.joint import SIDES, joint_score
from pipeline.verdict.measures import Place


def place(**means: float | Sequence[float]) -> Place:
    values = {name: np.atleast_1d(np.asarray(mean, np.float64)) for name, mean in means.items()}
    return Place(None, 5, 1.0, values, {name: [0] * len(each) for name, each in values.items()})


BASE = place(identity=0.2, subject=0.25, prompt=1.0, quality=0.9)


def test_four_sides_by_hand() -> None:
    found = joint_score(
        place(identity=0.5, subject=1.0, prompt=[0.5, 1.0], clip=35.0, drift=0.2, retained=0.9, quality=0.6),
        BASE, ceiling=0.8,
    )  # fmt: skip
    assert found is not None
    # identity: half of the way to real pictures, and all of the way to every picture; prompt: the tagger's.
    by_hand = {"identity": 0.75, "prompt": 0.75, "retained": 0.85, "quality": 0.6}
    assert found.sides == pytest.approx(by_hand)
    assert found.value == pytest.approx(sum(by_hand.values()) / 4)
    assert found.missing == []


def test_answers_are_of_the_prompts_side() -> None:
    found = joint_score(place(prompt=1.0, answers=[0.5, 0.7]), None, None)
    assert found is not None
    assert found.sides == {"prompt": pytest.approx((1.0 + 0.6) / 2)}


def test_the_base_alone_has_no_identity_and_all_of_the_rest() -> None:
    found = joint_score(place(identity=0.2, subject=0.25, prompt=1.0, drift=0.0, quality=1.0), BASE, 0.8)
    assert found is not None
    assert found.sides == {"identity": 0.0, "prompt": 1.0, "retained": 1.0, "quality": 1.0}


def test_what_is_not_measured_is_left_out_and_named() -> None:
    found = joint_score(place(subject=0.25 + 0.75 / 2), BASE, None)
    assert found is not None
    assert found.sides == {"identity": 0.5}
    assert found.missing == ["prompt", "retained", "quality"]
    assert found.as_dict() == {"value": 0.5, "sides": {"identity": 0.5}, "missing": list(found.missing)}
    assert joint_score(place(nearest_training=0.9), BASE, 0.8) is None
    assert set(SIDES) == {"identity", *found.missing}


@pytest.mark.parametrize(("identity", "expected"), [(0.95, 1.0), (0.1, 0.0)])
def test_sides_stay_between_0_and_1(identity: float, expected: float) -> None:
    found = joint_score(place(identity=identity, drift=1.5), BASE, 0.8)
    assert found is not None
    assert found.sides == {"identity": expected, "retained": 0.0}


def test_without_a_base_or_a_ceiling_likeness_counts_as_it_is() -> None:
    for base, ceiling in ((None, 0.8), (BASE, None), (BASE, 0.2)):
        found = joint_score(place(identity=0.6), base, ceiling)
        assert found is not None
        assert found.value == pytest.approx(0.6)


@pytest.mark.parametrize(("clip", "expected"), [(24.0, 0.8), (36.0, 1.0)])
def test_without_a_tagger_clip_counts_as_a_part_of_the_bases(clip: float, expected: float) -> None:
    found = joint_score(place(clip=clip), place(clip=30.0), None)
    assert found is not None
    assert found.sides == pytest.approx({"prompt": expected})
    alone = joint_score(place(clip=clip, quality=0.5), None, None)
    assert alone is not None
    assert alone.missing == ["identity", "prompt", "retained"]  # nothing says what a good CLIPScore is


def test_bleeding_counts_in_no_side() -> None:
    assert joint_score(place(bleed=0.5), BASE, None) is None
