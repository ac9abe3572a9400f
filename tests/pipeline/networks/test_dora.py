import pytest
import torch
from lycoris.modules.locon import LoConModule
from torch import nn

from pipeline.networks.adapter import Adapter
from pipeline.networks.algorithms.locon import Locon
from pipeline.networks.algorithms.loha import Loha
from pipeline.networks.algorithms.lokr import Lokr
from pipeline.networks.algorithms.lora import Lora
from tests.pipeline.networks.examples import (
    LAYERS,
    conv,
    filled,
    input_for,
    linear,
    merged,
    relative,
    settings,
    weight_of,
)

ALGORITHMS: dict[str, type[Adapter]] = {"lora": Lora, "locon": Locon, "loha": Loha, "lokr": Lokr}


def made(name: str, target: nn.Module) -> Adapter:
    adapter = ALGORITHMS[name].from_config(target, settings(name, 2))
    magnitudes = adapter.decompose().get_parameter("dora_scale").data
    filled(adapter)
    adapter.get_parameter("dora_scale").data = magnitudes * torch.linspace(0.5, 2, 24).reshape(
        magnitudes.shape
    )
    return adapter


def test_hand_worked_delta() -> None:
    target = nn.Linear(1, 2, bias=False)
    target.weight.data = torch.tensor([[2.0], [4.0]])
    adapter = Lora(target, 1, 1.0).decompose()
    adapter.lora_down.weight.data, adapter.lora_up.weight.data = (
        torch.ones(1, 1),
        torch.tensor([[1.0], [0.0]]),
    )
    adapter.get_parameter("dora_scale").data = torch.tensor([[10.0]])
    # W + change = [3, 4], its column's norm is 5, so W' = [6, 8].
    assert adapter.delta(target.weight).tolist() == [[4.0], [4.0]]


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("layer", LAYERS)
def test_training_starts_from_the_base(name: str, layer: str) -> None:
    target = LAYERS[layer]()
    adapter = ALGORITHMS[name].from_config(target, settings(name, 2)).decompose()
    x = input_for(target)
    assert torch.allclose(adapter.answer(x, target), target(x), atol=1e-6)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_the_forward_pass_equals_the_merged_weight(name: str, layer: str, strength: float) -> None:
    target = LAYERS[layer]()
    adapter, x = made(name, target), input_for(target)
    adapter.network_weight = strength
    assert relative(adapter.answer(x, target.forward), merged(adapter, x, strength)) < 1e-5


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("on_output", [False, True])
def test_lycoris_agrees_and_its_files_of_either_axis_are_read(layer: str, on_output: bool) -> None:
    target = LAYERS[layer]()
    nn.init.zeros_(target.bias)  # type: ignore[arg-type]
    theirs = LoConModule(
        "x", target, multiplier=1.0, lora_dim=4, alpha=3.0, weight_decompose=True, wd_on_out=on_output
    )
    for number, parameter in enumerate(theirs.parameters()):
        torch.manual_seed(number)
        parameter.data = parameter.data * 1.3 + torch.randn(parameter.shape) * 0.1
    weights = {key: value.detach() for key, value in theirs.state_dict().items() if key != "scalar"}
    adapter = Locon.from_weights(target, weights).eval()
    changed = target.weight + adapter.delta(target.weight)
    assert relative(changed, weight_of(theirs, target)) < 1e-6
    assert relative(adapter.answer(input_for(target), target), theirs(input_for(target))) < 1e-5


def test_the_norm_is_constant_in_the_gradient() -> None:
    target = linear()
    adapter, x = made("lora", target), input_for(target)
    fast = torch.autograd.grad(adapter.answer(x, target).square().sum(), list(adapter.parameters()))
    weight = target.weight.detach()
    slow = torch.autograd.grad(
        (target(x) + nn.functional.linear(x, adapter.delta(weight))).square().sum(),
        list(adapter.parameters()),
    )
    assert all(relative(ours, theirs) < 1e-5 for ours, theirs in zip(fast, slow, strict=True))


def test_weights_of_a_file_come_back() -> None:
    target = conv()
    for name, algorithm in ALGORITHMS.items():
        adapter = made(name, target)
        found = algorithm.from_weights(target, adapter.state_dict())
        assert torch.equal(found.delta(target.weight), adapter.delta(target.weight))
