"""Settings that do not fit the base's objective are reported before anything runs."""

from typing import Any

import pytest

from pipeline.bases.registry import families
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.rules.flow import objective_problems
from pipeline.schemas import Config

pytestmark = pytest.mark.usefixtures("root")


def config(**changes: Any) -> Config:
    return check(compose(Params({}, changes)))


def problems(family: str, **changes: Any) -> list[str]:
    return objective_problems(config(**changes), families()[family])


def test_a_flow_needs_a_sampler_of_flows() -> None:
    (problem,) = problems("sd3", **{"sample_grid.sampler": "ddim"})
    assert problem == (
        "sample_grid.sampler ddim does not work with Stable Diffusion 3, whose objective is flow; use one of"
        " Euler, Heun"
    )
    assert problems("sd3", **{"sample_grid.sampler": "heun"}) == []


def test_class_images_count_where_there_are_any() -> None:
    changes = {"sample_grid.sampler": "euler", "class_images.sampler": "ddim"}
    assert problems("sd3", **changes) == []
    (problem,) = problems("sd3", **changes, **{"class_images.count": 1, "class_images.prompt": "dog"})
    assert problem.startswith("class_images.sampler ddim")


def test_noise_settings_of_the_other_objective() -> None:
    euler = {"sample_grid.sampler": "euler"}
    (problem,) = problems("sd3", **euler, **{"noise.min_snr_gamma": 5.0})
    assert problem.startswith("noise.min_snr_gamma has no meaning for Stable Diffusion 3")
    assert problems("sd3", **euler, **{"noise.flow_shift": 1.0}) == []


def test_a_flow_has_no_prediction_type() -> None:
    changes = {"sample_grid.sampler": "euler", "base.prediction_type": "epsilon"}
    (problem,) = problems("sd3", **changes)
    assert problem.startswith("base.prediction_type epsilon: Stable Diffusion 3 predicts a flow's velocity")


@pytest.mark.parametrize("key", ["flow_shift", "flow_weighting"])
def test_settings_of_flows_are_refused_by_compose_for_the_demo(key: str) -> None:
    value = 1.0 if key == "flow_shift" else "cosmap"
    changed = objective_problems(config(), families()["sd1"])
    assert changed == []
    bad = config().model_copy(update={"noise": config().noise.model_copy(update={key: value})})
    (problem,) = objective_problems(bad, families()["sd1"])
    assert problem.startswith(f"noise.{key} has no meaning for Stable Diffusion 1.x")
