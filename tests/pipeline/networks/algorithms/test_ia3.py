import pytest
import torch
from lycoris.modules.ia3 import IA3Module
from peft import IA3Config
from peft.tuners.ia3.layer import Conv2d as PeftConv2d
from peft.tuners.ia3.layer import Linear as PeftLinear
from torch import nn

from pipeline.networks.algorithms.ia3 import Ia3
from tests.pipeline.networks.examples import (
    LAYERS,
    filled,
    input_for,
    linear,
    merged,
    relative,
    settings,
    weight_of,
)


def test_hand_worked_delta() -> None:
    target = nn.Linear(2, 2)
    target.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    for on_input, wanted in ((False, [[0.5, 1.0], [6.0, 8.0]]), (True, [[0.5, 4.0], [1.5, 8.0]])):
        adapter = Ia3(target, on_input)
        adapter.weight.data = torch.tensor([0.5, 2.0])
        assert adapter.delta(target.weight).tolist() == wanted


def test_the_mlp_is_scaled_on_its_input() -> None:
    for layer, on_input in (
        ("lora_unet_x_attn1_to_k", 0),
        ("lora_unet_x_ff_net_2", 1),
        ("lora_te_x_mlp_fc2", 1),
    ):
        adapter = Ia3.from_config(linear(), settings("ia3", layer=layer))
        assert adapter.get_buffer("on_input") == on_input
        assert adapter.get_parameter("weight").shape == (24 if on_input else 20,)
        assert not adapter.get_parameter("weight").any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("on_input", [False, True])
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_the_forward_pass_equals_the_merged_weight(layer: str, on_input: bool, strength: float) -> None:
    target = LAYERS[layer]()
    adapter, x = filled(Ia3(target, on_input)), input_for(target)
    adapter.network_weight = strength
    assert relative(adapter.answer(x, target), merged(adapter, x, strength)) < 1e-5


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("on_input", [False, True])
def test_lycoris_agrees(layer: str, on_input: bool) -> None:
    target = LAYERS[layer]()
    nn.init.zeros_(target.bias)  # type: ignore[arg-type]
    adapter = filled(Ia3(target, on_input))
    theirs = IA3Module("x", target, multiplier=1.0, train_on_input=on_input)
    theirs.load_state_dict(adapter.state_dict())
    changed = target.weight + adapter.delta(target.weight)
    assert relative(changed, weight_of(theirs, target)) < 1e-6
    assert relative(adapter.delta(target.weight), theirs.get_diff_weight()[0]) < 1e-6


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("on_input", [False, True])
def test_peft_agrees(layer: str, on_input: bool) -> None:
    target = LAYERS[layer]()
    adapter = filled(Ia3(target, on_input))
    before = target.weight.clone()
    kind = PeftLinear if isinstance(target, nn.Linear) else PeftConv2d
    theirs = kind(
        target,
        "a",
        is_feedforward=on_input,
        config=IA3Config(feedforward_modules=["x"], target_modules=["x"]),
    )
    theirs.ia3_l["a"].data = (1 + adapter.get_parameter("weight").data).reshape(theirs.ia3_l["a"].shape)
    change = adapter.delta(before).clone()
    theirs.merge(adapter_names=["a"])
    assert relative(change, target.weight - before) < 1e-6
