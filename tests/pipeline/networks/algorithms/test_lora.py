from typing import Any

import pytest
import torch
from lycoris.modules.locon import LoConModule
from peft.tuners.lora import Conv2d as PeftConv2d
from peft.tuners.lora import Linear as PeftLinear
from peft.tuners.lora import LoraConfig
from torch import nn

from pipeline.networks.algorithms.lora import Lora
from tests.pipeline.networks.examples import (
    LAYERS,
    conv,
    filled,
    input_for,
    linear,
    merged,
    relative,
    silenced,
    weight_of,
)


def test_hand_worked_delta() -> None:
    target = nn.Linear(2, 2)
    adapter = Lora(target, dim=1, alpha=0.5)
    adapter.lora_down.weight.data = torch.tensor([[1.0, 2.0]])
    adapter.lora_up.weight.data = torch.tensor([[3.0], [4.0]])
    assert adapter.delta(target.weight).tolist() == [[1.5, 3.0], [2.0, 4.0]]
    assert adapter.update(torch.tensor([[1.0, 1.0]])).tolist() == [[4.5, 6.0]]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_the_forward_pass_equals_the_merged_weight(layer: str, strength: float) -> None:
    target = LAYERS[layer]()
    adapter, x = filled(Lora(target, 4, 3.0)), input_for(target)
    adapter.network_weight = strength
    assert relative(adapter.answer(x, target), merged(adapter, x, strength)) < 1e-5
    assert adapter.delta(target.weight).shape == target.weight.shape


def test_training_starts_from_the_base() -> None:
    target = linear()
    adapter = Lora(target, 4, 4)
    assert not adapter.delta(target.weight).any()
    assert adapter.lora_down.weight.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_lycoris_agrees(layer: str) -> None:
    target = LAYERS[layer]()
    adapter = filled(Lora(target, 4, 3.0))
    theirs = LoConModule("x", silenced(target), multiplier=1.0, lora_dim=4, alpha=3.0)
    theirs.load_state_dict(adapter.state_dict())
    x = input_for(target)
    assert relative(adapter.update(x), theirs(x)) < 1e-6
    if target.weight.dim() == 2 or target.stride == (1, 1):
        assert relative(adapter.delta(target.weight), weight_of(theirs, target)) < 1e-6


@pytest.mark.parametrize("layer", LAYERS)
def test_peft_agrees(layer: str) -> None:
    target = LAYERS[layer]()
    adapter = filled(Lora(target, 4, 3.0))
    made = PeftLinear if isinstance(target, nn.Linear) else PeftConv2d
    theirs: Any = made(target, "a", config=LoraConfig(r=4, lora_alpha=3), r=4, lora_alpha=3)
    theirs.lora_A["a"].weight.data = adapter.lora_down.weight.data
    theirs.lora_B["a"].weight.data = adapter.lora_up.weight.data
    assert relative(adapter.delta(target.weight), theirs.get_delta_weight("a")) < 1e-6


def test_weights_of_a_file_come_back_and_a_missing_alpha_means_dim() -> None:
    target = linear()
    adapter = filled(Lora(target, 4, 3.0))
    weights = {key: value.detach() for key, value in adapter.state_dict().items()}
    found = Lora.from_weights(target, weights)
    assert torch.equal(found.delta(target.weight), adapter.delta(target.weight))
    del weights["alpha"]
    without = Lora.from_weights(target, weights)
    assert isinstance(without, Lora)
    assert without.scale == 1.0


def test_dropout_of_numbers_and_of_ranks_keeps_the_mean() -> None:
    target = linear()
    adapter, x = filled(Lora(target, 4, 3.0)), input_for(target, batch=4000)[:, :1]
    whole = adapter.update(x).mean(0)
    adapter.train()
    for kind in ("dropout", "rank_dropout"):
        torch.manual_seed(0)
        setattr(adapter, kind, 0.5)
        thinned = adapter.update(x)
        assert not torch.equal(thinned, adapter.eval().update(x))
        assert torch.equal(adapter.update(x).mean(0), whole)
        # 4000 samples: the mean's own error is 1 in sqrt(4000).
        assert (thinned.mean(0) - whole).norm() < 0.1 * adapter.update(x).std() * len(whole[0]) ** 0.5
        setattr(adapter.train(), kind, 0.0)


def test_rank_dropout_leaves_out_whole_ranks_of_a_sample() -> None:
    for target in (linear(), conv()):
        adapter = Lora(target, 4, 4).train()
        torch.manual_seed(0)
        hidden = adapter.thinned(torch.ones(50, *((7, 4) if target.weight.dim() == 2 else (4, 6, 6))), 0.25)
        by_rank = hidden.transpose(1, 2) if target.weight.dim() == 2 else hidden.flatten(2)
        assert torch.equal(by_rank, by_rank[:, :, :1].expand_as(by_rank))
        assert hidden.unique().tolist() == pytest.approx([0, 4 / 3])


def test_module_dropout_leaves_the_frozen_answer() -> None:
    target = linear()
    adapter, x = filled(Lora(target, 4, 3.0)).train(), input_for(target)
    adapter.module_dropout = 0.5
    torch.manual_seed(0)
    alone = [torch.equal(adapter.answer(x, target), target(x)) for _ in range(400)]
    # Binomial: 200 with a standard deviation of 10.
    assert 150 < sum(alone) < 250


def test_narrow_layers_run_with_the_weight_and_answer_the_same() -> None:
    assert Lora(nn.Linear(64, 64), 16, 8).in_one(torch.zeros(4, 256, 64))
    assert not Lora(nn.Linear(320, 320), 16, 8).in_one(torch.zeros(1, 1024, 320))
    for make in LAYERS.values():
        target = make()
        adapter, x = filled(Lora(target, 12, 3.0)), input_for(target, 40)
        assert relative(adapter.answer(x, target.forward), target(x) + adapter.update(x)) < 1e-6


def test_half_precision_does_not_swallow_a_small_change() -> None:
    """bfloat16 keeps 8 bits: 1.001 is 1. Inputs of both signs cancel the weight and leave the change."""
    target = nn.Linear(24, 24, bias=False)
    adapter, x = Lora(target, 16, 16.0), torch.ones(40, 24)
    x[:, ::2] = -1
    target.weight.data.fill_(1.0)
    adapter.lora_up.weight.data.fill_(1.0)
    adapter.lora_down.weight.data = x[:16] * 1e-3 / 16
    assert adapter.in_one(x)
    with torch.autocast("cpu", torch.bfloat16):
        in_one = adapter.applied(x, target.weight + adapter.change())
        answer = adapter.answer(x, target.forward)
    assert not in_one.any()
    assert relative(answer.float(), torch.full((40, 24), 0.024)) < 2**-7
