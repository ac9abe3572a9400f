"""Rounding at random, by hand: bfloat16 has 7 bits after the point, so 1 and 1 + 1/128 are neighbours."""

import pytest
import torch

from pipeline.training.stochastic_rounding import Rounding, rounded
from pipeline.training.weight_by_weight import WeightByWeight
from tests.pipeline.training.stepped import are_equal, batches_of, made, stepped, weights_of

STEP = 1 / 128
MANY = 100_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("share", [0.0, 0.125, 0.5, 0.9])
def test_the_mean_is_exact(share: float, sign: int) -> None:
    """The share that goes up is binomial: 5 deviations of sqrt(p (1 - p) / n) are 0.008 at most."""
    found = sign * rounded(torch.full((MANY,), sign * (1 + share * STEP)), generator()).float()
    assert set(found.tolist()) <= {1.0, 1 + STEP}
    assert ((found > 1).double().mean().item()) == pytest.approx(share, abs=0.008 if share else 0)


def test_what_bf16_has_stays() -> None:
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, float("inf"), -float("inf"), float("nan")])
    found = rounded(values, generator())
    assert found.dtype == torch.bfloat16
    assert torch.equal(found.float().nan_to_num(7), values.nan_to_num(7))


def test_random_bits_follow_from_seed_step_and_weight() -> None:
    values, rounding = torch.full((64,), 1 + STEP / 2), Rounding()

    def drawn(step_seed: int, number: int) -> list[float]:
        rounding.step_seed = step_seed
        return rounded(values, rounding.generator(number, values.device)).tolist()

    assert drawn(5, 0) == drawn(5, 0)
    assert drawn(5, 0) != drawn(5, 1)
    assert drawn(5, 0) != drawn(6, 0)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("optimizer", ["adamw", "lion", "adafactor", "sgd"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_optimiser_of_single_weights_can(optimizer: str, fused: bool) -> None:
    """Two runs are equal; weights and running means keep 16 bits."""
    use = {"optimizer": optimizer}
    values = {"train.precision": "bf16_full", "train.stochastic_rounding": True}
    modules = [made(use, {**values, "train.fused_backward": fused}) for _ in range(2)]
    start = weights_of(modules[0])
    trainers = [stepped(module, batches_of(module.base))[0] for module in modules]
    assert are_equal(*(weights_of(module) for module in modules))
    changed = weights_of(modules[0])
    assert {weight.dtype for weight in changed} == {torch.bfloat16}
    assert all(weight.isfinite().all() for weight in changed)
    assert not are_equal([weight.bfloat16() for weight in start], changed)
    for weight, state in trainers[0].optimizers[0].state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape and value.ndim:
                assert value.dtype == torch.bfloat16, name


@pytest.mark.usefixtures("root")
def test_small_steps_are_not_lost() -> None:
    """50 steps of 1/64 of the distance to the next number: rounded to the nearest nothing moves; at random
    the mean of many weights moves by 50/64 of it, within 5 deviations of at most 0.0022.
    """
    ends = []
    for rounding in (None, Rounding()):
        weight = torch.nn.Parameter(torch.ones(MANY, dtype=torch.bfloat16))
        ours = WeightByWeight(torch.optim.SGD([weight], lr=STEP / 64), fused=False, rounding=rounding)
        for step in range(50):
            if rounding:
                rounding.step_seed = step
            weight.grad = torch.full_like(weight, -1)
            ours.step()
        ends.append(((weight.detach().float() - 1) / STEP).double().mean().item())
    assert ends[0] == 0
    assert ends[1] == pytest.approx(50 / 64, abs=0.011)
