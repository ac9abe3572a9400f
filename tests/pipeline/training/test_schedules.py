import pytest
import torch
from diffusers.optimization import get_scheduler

from pipeline.training.schedules import lr_factor, warmup_steps
from tests.pipeline.training.settings import schedule

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("name", "changes", "factors"),
    [
        ("constant", {}, [1, 1, 1, 1]),
        ("linear", {"warmup_percent": 0.0}, [1, 0.75, 0.5, 0.25]),
        ("cosine", {"warmup_percent": 0.0}, [1, 0.853553, 0.5, 0.146447]),
        ("polynomial", {"warmup_percent": 0.0}, [1, 0.5625, 0.25, 0.0625]),
        ("polynomial", {"warmup_percent": 0.0, "power": 1.0}, [1, 0.75, 0.5, 0.25]),
        ("cosine_with_restarts", {"warmup_percent": 0.0, "cycles": 2}, [1, 0.5, 1, 0.5]),
        ("linear", {"warmup_percent": 0.0, "min_ratio": 0.2}, [1, 0.8, 0.6, 0.4]),
        ("constant_with_warmup", {"warmup_percent": 50.0}, [1 / 3, 2 / 3, 1, 1]),
        ("constant_with_warmup", {"warmup_percent": "50%"}, [1 / 3, 2 / 3, 1, 1]),
        ("constant_with_warmup", {"warmup_steps": 1}, [1 / 2, 1, 1, 1]),
        ("linear", {"warmup_percent": 50.0}, [1 / 3, 2 / 3, 1, 0.5]),
        ("constant_with_warmup", {"warmup_percent": 100.0}, [0.2, 0.4, 0.6, 0.8]),
        ("staircase", {"staircase": "0.4:1, 0.2:3, 0.1"}, [4, 2, 2, 1]),
        ("staircase", {"staircase": "0.4:1, 0.2:3"}, [4, 2, 2, 2]),
    ],
)
def test_hand_worked_rates_of_four_steps(name: str, changes: dict[str, object], factors: list[float]) -> None:
    config = schedule(name, **changes)
    found = [lr_factor(step, 4, config, rate=0.1) for step in range(4)]
    assert found == pytest.approx(factors, abs=1e-6)


@pytest.mark.parametrize("name", ["constant", "linear", "polynomial", "cosine", "cosine_with_restarts"])
def test_without_warmup_the_shapes_are_diffusers(name: str) -> None:
    """Its polynomial ends at 1e-7 in place of 0."""
    total, power, cycles = 40, 2.0, 3
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_scheduler(
        name, optimizer, num_warmup_steps=0, num_training_steps=total, num_cycles=cycles, power=power
    )
    wanted = []
    for _ in range(total):
        wanted.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    config = schedule(name, warmup_percent=0.0, power=power, cycles=cycles)
    assert [lr_factor(step, total, config) for step in range(total)] == pytest.approx(wanted, abs=2e-7)


def test_warmup_is_in_steps_or_percent() -> None:
    assert warmup_steps(schedule(warmup_percent=5.0), 1000) == 50
    assert warmup_steps(schedule(warmup_percent="12.5%"), 1000) == 125
    assert warmup_steps(schedule(warmup_percent=5.0, warmup_steps=7), 1000) == 7


def test_a_percentage_is_rounded_where_sd_scripts_cuts() -> None:
    """int(0.05 * 630) is 31 there; `warmup_steps` says it. At most one step apart."""
    assert warmup_steps(schedule(warmup_percent=5.0), 630) == 32
    assert warmup_steps(schedule(warmup_percent=5.0, warmup_steps=31), 630) == 31
    config = schedule(warmup_percent=5.0)
    assert {warmup_steps(config, total) - int(0.05 * total) for total in range(1, 2000)} == {0, 1}
