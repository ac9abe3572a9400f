from typing import Any

import pytest
import torch
from diffusers.training_utils import compute_density_for_timestep_sampling
from torch import Generator, Tensor

from pipeline.objectives.levels import draw_fractions, draw_timesteps, logit_normal, mode
from tests.pipeline.training.settings import noise as settings

pytestmark = pytest.mark.usefixtures("root")
NUM = 20_000


def drawn(num: int = NUM, seed: int = 1, **changes: Any) -> Tensor:
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
def test_distributions_are_diffusers(changes: dict[str, Any], diffusers: dict[str, Any]) -> None:
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


@pytest.mark.parametrize(
    ("scale", "u", "found"), [(1.29, 0.1, 0.802569), (1.75, 0.1, 0.767826), (1.29, 0.9, 0.197431)]
)
def test_mode_by_hand(scale: float, u: float, found: float) -> None:
    assert float(mode(torch.tensor([u], dtype=torch.float64), scale)) == pytest.approx(found, abs=1e-6)


def test_logit_normal_by_hand() -> None:
    """sigmoid(-1), sigmoid(0), sigmoid(1); and sigmoid(1 + 0.5 * 2) = 0.880797."""
    normal = torch.tensor([-1.0, 0.0, 1.0])
    assert logit_normal(normal, 0.0, 1.0).tolist() == pytest.approx([0.268941, 0.5, 0.731059], abs=1e-6)
    assert logit_normal(torch.tensor([2.0]), 1.0, 0.5).tolist() == pytest.approx([0.880797], abs=1e-6)


@pytest.mark.parametrize("name", ["uniform", "cubic", "cubic_early", "logit_normal", "mode"])
def test_fractions_are_the_timesteps_before_rounding(name: str) -> None:
    changes: dict[str, Any] = {"timestep_distribution": name, "min_timestep": 200, "max_timestep": 700}
    found = draw_fractions(NUM, settings(**changes), Generator().manual_seed(1))
    assert 0.2 <= found.min() < 0.22
    assert 0.68 < found.max() <= 0.7
    if name != "uniform":  # whose timesteps are drawn as whole numbers
        assert (found * 1000 - drawn(**changes) - 0.5).abs().max() <= 0.501  # rounded down
