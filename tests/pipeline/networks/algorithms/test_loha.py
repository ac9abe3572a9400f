from typing import Any, cast

import pytest
import torch
from lycoris.modules.loha import LohaModule
from peft import LoHaConfig
from peft.tuners.loha.layer import Conv2d as PeftConv2d
from peft.tuners.loha.layer import Linear as PeftLinear
from torch import nn

from pipeline.networks.algorithms import loha
from pipeline.networks.algorithms.loha import Hadamard, Loha
from tests.pipeline.networks.examples import (
    LAYERS,
    conv,
    filled,
    input_for,
    linear,
    merged,
    relative,
    settings,
    silenced,
    weight_of,
)


def made(target: nn.Module, dim: int = 4, tucker: bool = False) -> Loha:
    adapter = filled(Loha.from_config(target, settings("loha", dim, 3.0, tucker=tucker)))
    assert isinstance(adapter, Loha)
    return adapter


def test_hand_worked_delta() -> None:
    target = nn.Linear(2, 2)
    adapter = Loha(target, dim=1, alpha=0.5)
    adapter.hada_w1_a.data, adapter.hada_w1_b.data = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]])
    adapter.hada_w2_a.data, adapter.hada_w2_b.data = torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0, 5.0]])
    assert adapter.delta(target.weight).tolist() == [[3.0, 20.0], [3.0, 20.0]]


def test_training_starts_from_the_base() -> None:
    target = linear()
    adapter = Loha(target, 4, 4)
    assert not adapter.delta(target.weight).any()
    assert all(adapter.get_parameter(name).any() for name in ("hada_w1_a", "hada_w1_b", "hada_w2_b"))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dim", [1, 4, 12])
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_the_forward_pass_equals_the_merged_weight(layer: str, dim: int, strength: float) -> None:
    target = LAYERS[layer]()
    adapter, x = made(target, dim), input_for(target)
    adapter.network_weight = strength
    assert relative(adapter.answer(x, target.forward), merged(adapter, x, strength)) < 1e-5
    other = adapter.answer(x, target)
    assert relative(other, merged(adapter, x, strength)) < 1e-5


def test_small_dims_take_the_factors_and_large_ones_the_weight() -> None:
    target = nn.Linear(1280, 1280)
    x = torch.zeros(1, 4096, 1280)
    assert not Loha(target, 4, 4).in_one(x)
    assert Loha(target, 32, 4).in_one(x)
    assert not Loha(target, 16, 4).in_one(x[:, :64])


def test_in_tucker_form_too() -> None:
    target = conv()
    adapter, x = made(target, tucker=True), input_for(target)
    assert relative(adapter.answer(x, target.forward), merged(adapter, x)) < 1e-5


def test_pieces_of_the_weight_and_their_gradients_are_those_of_autograd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loha, "BUILT_NUMBERS", 12)  # pieces of two rows, and one of one
    weight = torch.randn(5, 6, dtype=torch.float64)
    factors = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((5, 2), (2, 6)) * 2]
    a1, b1, a2, b2 = factors
    apply: Any = Hadamard.apply
    assert torch.allclose(apply(weight, *factors, 0.7), weight + 0.7 * (a1 @ b1) * (a2 @ b2))
    assert torch.autograd.gradcheck(apply, cast("Any", (weight, *factors, 0.7)))


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("tucker", [False, True])
def test_lycoris_agrees(layer: str, tucker: bool) -> None:
    target = LAYERS[layer]()
    adapter = made(target, tucker=tucker)
    theirs = LohaModule("x", silenced(target), multiplier=1.0, lora_dim=4, alpha=3.0, use_tucker=tucker)
    theirs.load_state_dict(adapter.state_dict(), strict=False)
    assert relative(adapter.delta(target.weight), weight_of(theirs, target)) < 1e-6


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
def test_peft_agrees(layer: str) -> None:
    target = LAYERS[layer]()
    adapter = made(target)
    kind = PeftLinear if isinstance(target, nn.Linear) else PeftConv2d
    theirs = kind(target, "a", config=LoHaConfig(r=4, alpha=3), r=4, alpha=3.0)
    for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"):
        getattr(theirs, name)["a"].data = adapter.get_parameter(name).data
    assert relative(adapter.delta(target.weight), theirs.get_delta_weight("a")) < 1e-6


@pytest.mark.parametrize("tucker", [False, True])
def test_weights_of_a_file_come_back(tucker: bool) -> None:
    target = conv()
    adapter = made(target, tucker=tucker)
    found = Loha.from_weights(target, adapter.state_dict())
    assert torch.equal(found.delta(target.weight), adapter.delta(target.weight))
    assert found.state_dict().keys() == adapter.state_dict().keys()
