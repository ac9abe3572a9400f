from typing import Any

import pytest
import torch
from diffusers.training_utils import compute_density_for_timestep_sampling
from torch import Generator, Tensor

from pipeline.objectives.levels import draw_timesteps
from tests.pipeline.training.settings import noise as settings

pytestmark = pytest.mark.usefixtures("root")
NUM = 20_000


def drawn(num: int = NUM, seed: int = 1, **changes: object) -> Tensor:
    return draw_timesteps(num, settings(**changes), Generator().manual_seed(seed))


def test_uniform_is_one_draw_of_whole_numbers() -> None:
    wanted = torch.randint(0, 1000, (5,), generator=Generator().manual_seed(1))
    assert torch.equal(drawn(5), wanted)


@pytest.mark.parametrize(
    ("changes", "diffusers"),
    [
        ({"timestep_distribution": "logit_normal"}, {"logit_mean": 0.0, "logit_std": 1.0}),
        (
            {
                "timestep_distribution": "logit_normal",
                "timestep_mean": -0.5,
                "timestep_deviation": 0.7,
            },
            {"logit_mean": -0.5, "logit_std": 0.7},
        ),
        ({"timestep_distribution": "mode"}, {"mode_scale": 1.29}),
    ],
)
def test_distributions_are_diffusers(changes: dict[str, object], diffusers: dict[str, Any]) -> None:
    """Equal draw for draw where the library takes the same numbers from a generator, but for the last bit."""
    name = str(changes["timestep_distribution"])
    share = compute_density_for_timestep_sampling(
        name, NUM, generator=Generator().manual_seed(1), **{"logit_mean": 0.0, "logit_std": 1.0, **diffusers}
    )
    wanted = (share * 1000).long().clamp(0, 999)
    assert (drawn(**changes) - wanted).abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "mean"),
    # E[1 - u^3] = 3/4, E[u^3] = 1/4; the deviation of the mean of 20000 is below 0.003.
    [("uniform", 0.5), ("cubic", 0.75), ("cubic_early", 0.25), ("logit_normal", 0.5), ("mode", 0.5)],
)
def test_the_mean_is_the_distributions(name: str, mean: float) -> None:
    assert drawn(timestep_distribution=name).float().mean().item() / 1000 == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize("name", ["uniform", "cubic", "cubic_early", "logit_normal", "mode"])
def test_the_range_holds_and_both_ends_are_met(name: str) -> None:
    steps = drawn(timestep_distribution=name, min_timestep=200, max_timestep=210)
    assert set(steps.tolist()) == set(range(200, 210))
