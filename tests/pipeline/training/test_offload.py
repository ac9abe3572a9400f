"""Blocks in the machine's memory. The stand-in for the device: what waits has 64 bits, what works has 32, so
that a product with a block that was not fetched is an error of types.
"""

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from pipeline.training import module as training_module
from pipeline.training.offload import Offload, chosen_blocks
from tests.pipeline.bases.random_sd1 import random_base
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
CHECKPOINTED = {"train.gradient_checkpointing": True}
FULL = {"optimizer.lr": 1e-5, "optimizer.text_encoder_lr": 1e-5, "train.fused_backward": True, **CHECKPOINTED}


class StandIn(Offload):
    """Counts the blocks that are on the device, and how often each ran."""

    most = 0
    made: ClassVar[list["StandIn"]] = []
    runs: dict[nn.Module, int]

    def __init__(self, blocks: Any, device: torch.device) -> None:
        self.runs = dict.fromkeys(blocks, 0)
        self.made.append(self)
        super().__init__(blocks, device, to_device=Tensor.float, to_host=Tensor.double)
        for each in blocks:
            each.register_forward_pre_hook(self.count)

    def count(self, block: nn.Module, _: Any) -> None:
        self.runs[block] += 1
        here = [each for each in self.blocks if each.copies is not None]
        type(self).most = max(type(self).most, len(here))
        assert all(weight.dtype == torch.float32 for weight in block.parameters())

    def release(self) -> None:
        super().release()
        assert all(weight.dtype == torch.float64 for each in self.blocks for weight in each.weights)
        for each in self.blocks:
            for weight in each.weights:
                weight.data = weight.data.float()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(training_module, "Offload", StandIn)
    StandIn.most = 0
    StandIn.made.clear()
    return StandIn


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize(
    ("use", "values"),
    [
        ({}, CHECKPOINTED),
        ({"network": "loha"}, CHECKPOINTED),
        ({"network": "checkpoint"}, FULL),
        ({"network": "checkpoint", "optimizer": "adafactor"}, FULL),
    ],
)
def test_weights_are_those_of_a_plain_run(
    use: dict[str, str], values: dict[str, Any], share: float, stand_in: type[StandIn]
) -> None:
    plain, ours = made(use, values), made(use, {**values, "train.offload": share})
    insist_on_plain_steps(plain, ours)
    assert stand_in.most == 2


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_a_resumed_run_ends_with_the_same_bytes(optimizer: str, stand_in: type[StandIn]) -> None:
    """The optimiser's state is read while the weights wait; it follows them to the device."""
    assert stand_in.most == 0
    use, values = {"network": "checkpoint", "optimizer": optimizer}, {**FULL, "train.offload": 1.0}
    whole, second = made(use, values), made(use, values)
    batches, saved = batches_of(whole.base), Saved()
    stepped(whole, batches, saved)
    stepped(second, batches[-1:], Resumed(saved.bytes))
    assert are_equal(weights_of(whole), weights_of(second))


def test_every_block_is_one_that_checkpointing_runs_again(stand_in: type[StandIn]) -> None:
    """Else its weights would stay on the device from its forward to its backward pass."""
    module = made({"network": "checkpoint"}, {**FULL, "train.offload": 1.0})
    stepped(module, batches_of(module.base, 1))
    (made_here,) = stand_in.made
    assert len(made_here.runs) > 4
    assert set(made_here.runs.values()) == {2}
    assert all(block.copies is None for block in made_here.blocks)


def test_blocks_hold_nearly_all_weights_and_are_spread() -> None:
    denoiser = random_base().denoiser
    blocks = chosen_blocks(denoiser, 1.0)
    assert len(chosen_blocks(denoiser, 0.5)) == len(blocks) // 2
    assert chosen_blocks(denoiser, 0.0) == []
    assert chosen_blocks(denoiser, 0.5) == blocks[1::2]
    inside = sum(weight.numel() for block in blocks for weight in block.parameters())
    assert inside > 0.6 * sum(weight.numel() for weight in denoiser.parameters())


def test_parked_blocks_do_not_move() -> None:
    layer = nn.Linear(2, 2, bias=False)
    weight = layer.weight.detach().clone()
    offload = Offload([layer], torch.device("cpu"))
    offload.park()
    assert layer.weight.numel() == 0
    offload.hold()
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer(torch.eye(2)), weight.T)
    offload.release()
