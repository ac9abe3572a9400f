"""What drifts are compared with, on distances by hand."""

import numpy as np
import pytest

from pipeline.verdict.drift_scale import DriftScale, drift_scale, mean_scale


def test_two_seeds_of_one_prompt_and_two_prompts_by_hand() -> None:
    distances = np.array(
        [[0.0, 0.1, 0.8, 0.6], [0.1, 0.0, 0.9, 0.7], [0.8, 0.9, 0.0, 0.3], [0.6, 0.7, 0.3, 0.0]]
    )
    found = drift_scale(distances, [0, 0, 1, 1])
    # 0.1 and 0.3 of one prompt; 0.8, 0.6, 0.9 and 0.7 of two.
    assert found == DriftScale(seed=0.2, prompt=0.75)
    assert found.strong == 0.375  # half of the way to another prompt is further than another seed
    assert found.as_dict() == {"seed": 0.2, "prompt": 0.75, "strong": 0.375}


def test_a_seed_that_changes_more_than_half_of_a_prompt_is_the_limit() -> None:
    assert DriftScale(seed=0.5, prompt=0.75).strong == 0.5


@pytest.mark.parametrize(
    ("prompts", "expected", "strong"),
    [([0, 1], DriftScale(None, 0.4), 0.2), ([0, 0], DriftScale(0.4, None), 0.4)],
)
def test_one_seed_or_one_prompt_gives_the_other_half_alone(
    prompts: list[int], expected: DriftScale, strong: float
) -> None:
    found = drift_scale(np.array([[0.0, 0.4], [0.4, 0.0]]), prompts)
    assert found == expected
    assert found.strong == strong


def test_one_picture_gives_no_scale() -> None:
    found = drift_scale(np.zeros((1, 1)), [0])
    assert found == DriftScale(None, None)
    assert found.strong is None


def test_several_ways_to_draw_are_averaged() -> None:
    assert mean_scale([DriftScale(0.2, 0.6), DriftScale(0.4, None)]) == DriftScale(0.3, 0.6)
    assert mean_scale([]) is None
