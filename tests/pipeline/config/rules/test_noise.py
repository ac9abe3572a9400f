from typing import Any

import pytest

from pipeline.config.compose import options
from tests.pipeline.config.rules.composed import must_doubt, must_refuse

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"min_timestep": 500, "max_timestep": 500},
            r"min_timestep 500 is not below noise\.max_timestep 500",
        ),
        ({"offset_adaptive": 0.1}, r"noise\.offset_adaptive 0\.1 adds to noise\.offset, which is 0"),
        (
            {"debiased": "exat"},
            r"noise\.debiased: 'exat' is not allowed; .*'sd_scripts', 'onetrainer' or 'exact'",
        ),
        ({"max_timestep": 1001}, r"noise\.max_timestep: 1001 is not allowed"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], reason: str) -> None:
    must_refuse({}, {f"noise.{key}": value for key, value in values.items()}, reason)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"offset_random_strength": True}, "noise.offset_random_strength has no effect: noise.offset is off"),
        ({"perturbation_random_strength": True}, "no effect: noise.perturbation is off"),
        ({"snr_after_rescale": True}, "no effect: noise.zero_terminal_snr is off"),
        ({"offset": 0.1, "pyramid_iterations": 6}, "noise.offset and noise.pyramid_iterations are both on"),
        ({"pyramid_iterations": 1}, "noise.pyramid_iterations 1 adds no smaller size"),
        ({"min_snr_gamma": 5.0, "debiased": True}, "noise.min_snr_gamma and noise.debiased multiply"),
        (
            {"debiased": "exact", "scale_v_prediction": True},
            "noise.debiased exact and noise.scale_v_prediction multiply",
        ),
        ({"debiased": "exact"}, ""),
        ({"timestep_mean": 1.0}, "noise.timestep_mean has no effect: noise.timestep_distribution is uniform"),
        (
            {"loss": "huber", "huber_scale": 2.0},
            "noise.huber_scale has no effect: noise.huber_schedule is snr",
        ),
    ],
)
def test_what_is_seldom_meant(values: dict[str, Any], sentence: str) -> None:
    must_doubt({}, {f"noise.{key}": value for key, value in values.items()}, sentence)


def test_every_option_is_silent() -> None:
    for option in options("noise"):
        must_doubt({"noise": option}, {}, "")
