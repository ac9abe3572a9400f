from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.planning.advice import advice, doubts
from pipeline.training.planning.forecast import make_plan

pytestmark = pytest.mark.usefixtures("root")


def told(pictures: int, repeats: int, epochs: int, **settings: Any) -> list[str]:
    config = check(compose(Params({}, {key.replace("__", "."): value for key, value in settings.items()})))
    shown = [("a", EpochPicture(repeats, False, (512, 512)))] * pictures
    return advice(make_plan(shown, held_out=0, epochs=epochs, batch=1, accumulation=1), config)


def test_a_usual_run_of_each_aim_is_left_alone() -> None:
    assert told(20, 10, 15) == []


def test_steps_are_weighed_by_the_rate() -> None:
    (sentence,) = told(20, 7, 10)
    assert "1400 updates at rate 0.0001 are worth at most 1400" in sentence
    assert "a style 2500, a concept 3000" in sentence
    assert "character" not in sentence
    assert told(20, 7, 10, optimizer__lr=3e-4) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule__warmup_percent": 0.0}, "5-10 is usual: fewer runs blow up"),
        ({"schedule__warmup_percent": 40.0}, "the rest is hardly trained"),
        ({"network__dim": 256}, "128 is ample"),
        ({"network__dim": 100}, "100 for 19 pictures"),
    ],
)
def test_unusual_settings_are_named(settings: dict[str, Any], words: str) -> None:
    (sentence,) = told(19, 10, 20, **settings)
    assert words in sentence


def test_a_warmup_in_steps_over_half_of_the_run_names_both_settings() -> None:
    plan = make_plan(
        [("a", EpochPicture(10, False, (512, 512)))] * 2, held_out=0, epochs=5, batch=1, accumulation=1
    )

    def said(steps: int) -> list[str]:
        return doubts(plan, check(compose(Params({}, {"schedule.warmup_steps": steps, "train.epochs": 5}))))

    assert said(50) == []
    (sentence,) = said(51)
    assert "schedule.warmup_steps 51 is more than half of the 100 updates that train.epochs 5" in sentence


def test_many_pictures_call_for_a_hold_out() -> None:
    assert "set use.validation to holdout" in told(60, 10, 15)[0]
    assert told(60, 10, 15, validation__share=0.1) == []


def test_batches_and_updates_that_are_never_full_are_named() -> None:
    config = check(compose(Params({}, {})))
    shown = [("a", EpochPicture(10, False, (512, 512)))] * 20

    def advised(batch: int, accumulation: int, epochs: int) -> str:
        plan = make_plan(shown, held_out=0, epochs=epochs, batch=batch, accumulation=accumulation)
        return " / ".join(advice(plan, config))

    assert "full" not in advised(200, 1, 3000)
    assert "holds 201 pictures of one shape, an epoch shows at most 200" in advised(201, 1, 3000)
    assert "accumulation" not in advised(50, 4, 3000)
    assert "train.gradient_accumulation 5 is above the 4 batches of an epoch" in advised(50, 5, 3000)
