"""Bytes that an optimiser keeps for a weight, of numbers known from its algorithm."""

import pytest
import torch

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.schemas import Config
from pipeline.training.planning import optimizer_state
from pipeline.training.planning.optimizer_state import state_bytes

pytestmark = pytest.mark.usefixtures("root")


def config_of(option: str, **values: object) -> Config:
    named = {f"optimizer.{key}": value for key, value in values.items()}
    return check(compose(Params({"optimizer": option}, named)))


@pytest.mark.parametrize(
    ("option", "numbers"),
    [
        ("adamw", 2),
        ("lion", 1),
        ("sgd", 1),
        ("schedulefree", 2),  # the running point, and squares
        ("adafactor", 0),  # sums by row and column
        ("dadaptation", 3),  # two moments and a sum of steps
        ("prodigy", 4),  # the same and the start
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_in_numbers_of_the_weights_width(option: str, numbers: int, dtype: torch.dtype) -> None:
    """1 %: the sums by row and column of a square of 256, and counters of steps."""
    found = state_bytes(config_of(option), dtype)
    assert found == pytest.approx(numbers * dtype.itemsize, abs=0.01 * 4)


def test_arguments_count() -> None:
    """SGD without momentum keeps nothing."""
    assert state_bytes(config_of("sgd", arguments={"momentum": 0.0}), torch.float32) == 0


def test_two_moments_of_eight_bits_are_two_bytes_whatever_the_weights() -> None:
    config = config_of("adamw8bit")
    found = {state_bytes(config, dtype) for dtype in (torch.float32, torch.bfloat16)}
    assert len(found) == 1
    assert found.pop() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("kind", ["mps", "cuda"])
def test_where_there_are_no_eight_bits_it_is_plain_adamw(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_state, "best_device", lambda: torch.device(kind))
    monkeypatch.setattr(optimizer_state, "find_spec", lambda _: None)
    assert state_bytes(config_of("adamw8bit"), torch.float32) == pytest.approx(8, rel=0.01)


def test_a_class_that_needs_more_than_gradients_is_taken_for_adamw() -> None:
    config = check(
        compose(
            Params(
                {},
                {
                    "optimizer.name": "torch.optim.LBFGS",
                    "optimizer.weight_decay": None,
                    "optimizer.betas": None,
                    "optimizer.eps": None,
                },
            )
        )
    )
    assert state_bytes(config, torch.float32) == 8
