"""Weights that are updated one at a time, in the backward pass or after it: the plain step's result."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.training.module import Denoising
from pipeline.training.stochastic_rounding import Rounding
from pipeline.training.weight_by_weight import WeightByWeight
from tests.pipeline.training.stepped import (
    Resumed,
    Saved,
    are_equal,
    batches_of,
    insist_on_plain_steps,
    made,
    stepped,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("root")
CHECKPOINT = {"network": "checkpoint", "schedule": "constant"}
RATES = {"optimizer.lr": 1e-5, "optimizer.text_encoder_lr": 1e-5}


def losses_and_norms(history: Any) -> list[float]:
    return [each for row in history.norms for each in (row.gradient_norm, row.update_ratio)]


@pytest.mark.parametrize("optimizer", ["adamw", "lion", "adafactor", "sgd"])
@pytest.mark.parametrize("network", ["lora", "checkpoint"])
def test_a_fused_backward_pass_gives_the_plain_steps_weights(optimizer: str, network: str) -> None:
    use = {"network": network, "optimizer": optimizer}
    values = {**(RATES if network == "checkpoint" else {}), "train.ema_decay": 0.9}
    plain, fused = made(use, values), made(use, {**values, "train.fused_backward": True})
    known, history = insist_on_plain_steps(plain, fused)
    assert losses_and_norms(history) == pytest.approx(losses_and_norms(known), rel=1e-5)
    with plain.as_saved(), fused.as_saved():
        assert are_equal(weights_of(plain), weights_of(fused))


class Largest:
    """The most bytes of gradients that were in memory when a weight's gradient was complete."""

    def __init__(self, module: Denoising) -> None:
        self.bytes, self.weights = 0, list(module.network.parameters())
        for weight in self.weights:
            weight.register_post_accumulate_grad_hook(self.look)

    def look(self, _: Tensor) -> None:
        now = sum(each.grad.nbytes for each in self.weights if each.grad is not None)
        self.bytes = max(self.bytes, now)


@pytest.mark.parametrize("fused", [False, True])
def test_at_most_the_largest_gradient_is_in_memory(fused: bool) -> None:
    module = made(CHECKPOINT, {**RATES, "train.fused_backward": fused})
    watch = Largest(module)
    sizes = [weight.nbytes for weight in module.network.parameters()]
    stepped(module, batches_of(module.base, 1))
    assert watch.bytes == (max(sizes) if fused else sum(sizes))


def test_a_run_that_ends_leaves_no_hook() -> None:
    module = made({}, {"train.fused_backward": True})
    batches = batches_of(module.base)
    stepped(module, batches)
    before = weights_of(module)
    with module.network.attached(module.base):
        module.picture_losses(batches[0]).sum().backward()
    assert are_equal(before, weights_of(module))
    assert all(weight.grad is not None for weight in module.network.parameters())


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
@pytest.mark.parametrize(("fused", "rounds"), [(True, False), (True, True), (False, True), (False, False)])
def test_a_resumed_run_ends_with_the_same_bytes(optimizer: str, fused: bool, rounds: bool) -> None:
    """In bf16_full torch would also round Adafactor's running means, which are in fp32."""
    values = {"train.fused_backward": fused, "train.stochastic_rounding": rounds}
    own = {"train.precision": "bf16_full", "network.dim": 4, "optimizer.lr": 1e-2, **values}
    whole, second = (made({"optimizer": optimizer}, own) for _ in range(2))
    batches, saved = batches_of(whole.base), Saved()
    stepped(whole, batches, saved)
    stepped(second, batches[-1:], Resumed(saved.bytes))
    assert are_equal(weights_of(whole), weights_of(second))


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_checkpoint_has_the_plain_optimisers_form(optimizer: str, rounded: bool) -> None:
    """A state saved and loaded in between changes nothing."""
    weights = [nn.Parameter(torch.linspace(-1, 1, 64).reshape(8, 8).bfloat16()) for _ in range(2)]
    kinds = {"adamw": torch.optim.AdamW, "adafactor": torch.optim.Adafactor}
    inner = kinds[optimizer](weights, lr=0.01)
    ours = WeightByWeight(inner, fused=False, rounding=Rounding() if rounded else None)
    for weight in weights:
        weight.grad = torch.full_like(weight, 0.5)
    ours.step()
    assert set(ours.state_dict()) == {"state", "param_groups"}
    assert len(ours.state_dict()["state"]) == 2
    ours.load_state_dict(ours.state_dict())
    assert ours.param_groups is inner.param_groups


def test_a_group_keeps_its_own_rate() -> None:
    """SGD by hand: w - lr g, at two rates that a schedule has changed."""
    one, two = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    inner = torch.optim.SGD([{"params": [one], "lr": 0.5}, {"params": [two], "lr": 0.25}])
    ours = WeightByWeight(inner, fused=True)
    ours.param_groups[1]["lr"] = 0.125
    ours.step((2 * one.sum() + 4 * two.sum()).backward)
    assert one.tolist() == [0.0] * 3
    assert two.tolist() == [0.5] * 2
    assert one.grad is None
    assert two.grad is None


def test_a_weight_without_a_gradient_stays() -> None:
    one, two = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    ours = WeightByWeight(torch.optim.AdamW([one, two], weight_decay=0.5), fused=True)
    ours.step(lambda: one.sum().backward())
    assert two.tolist() == [1.0, 1.0]
    assert one[0] < 1
