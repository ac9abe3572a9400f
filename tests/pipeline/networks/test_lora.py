import pytest
import torch
from lycoris.modules.locon import LoConModule
from peft.tuners.lora import Linear as PeftLinear
from peft.tuners.lora import LoraConfig
from torch import Tensor, nn

from pipeline.networks.lora import Lora


def filled(target: nn.Module, dim: int = 4, alpha: float = 3.0) -> Lora:
    """An adapter whose `up` is not zero any more."""
    torch.manual_seed(1)
    adapter = Lora(target, dim, alpha)
    nn.init.normal_(adapter.lora_up.weight)
    return adapter


def relative(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).norm() / theirs.norm()).item()


def test_hand_worked_delta() -> None:
    adapter = Lora(nn.Linear(2, 2), dim=1, alpha=0.5)
    adapter.lora_down.weight.data = torch.tensor([[1.0, 2.0]])
    adapter.lora_up.weight.data = torch.tensor([[3.0], [4.0]])
    assert adapter.delta().tolist() == [[1.5, 3.0], [2.0, 4.0]]
    assert adapter.update(torch.tensor([[1.0, 1.0]])).tolist() == [[4.5, 6.0]]


@pytest.mark.parametrize("target", [nn.Linear(6, 5), nn.Conv2d(6, 5, 1)])
def test_the_forward_pass_equals_the_merged_weight(target: nn.Module) -> None:
    adapter = filled(target)
    x = torch.randn((2, 6) if isinstance(target, nn.Linear) else (2, 6, 3, 3))
    assert isinstance(target.weight, Tensor)
    merged = nn.functional.linear if isinstance(target, nn.Linear) else nn.functional.conv2d
    change = merged(x, adapter.delta())
    assert relative(adapter.update(x), change) < 1e-5
    assert adapter.delta().shape == target.weight.shape


def test_training_starts_from_the_base() -> None:
    adapter = Lora(nn.Linear(6, 5), 4, 4)
    assert not adapter.delta().any()
    assert adapter.lora_down.weight.any()


@pytest.mark.parametrize("target", [nn.Linear(6, 5), nn.Conv2d(6, 5, 1)])
def test_lycoris_agrees(target: nn.Module) -> None:
    adapter = filled(target)
    theirs = LoConModule("x", target, multiplier=1.0, lora_dim=4, alpha=3.0)
    theirs.lora_down.weight.data = adapter.lora_down.weight.data
    theirs.lora_up.weight.data = adapter.lora_up.weight.data
    x = torch.randn((2, 6) if isinstance(target, nn.Linear) else (2, 6, 3, 3))
    wanted = theirs(x) - target(x)
    # float32's spacing at the size of the sum limits what the difference can show.
    assert relative(adapter.update(x), wanted) < 1e-5


def test_peft_agrees() -> None:
    target = nn.Linear(6, 5)
    adapter = filled(target)
    theirs = PeftLinear(target, "a", config=LoraConfig(r=4, lora_alpha=3), r=4, lora_alpha=3)
    theirs.lora_A["a"].weight.data = adapter.lora_down.weight.data
    theirs.lora_B["a"].weight.data = adapter.lora_up.weight.data
    assert relative(adapter.delta(), theirs.get_delta_weight("a")) < 1e-6


def test_weights_of_a_file_come_back_and_a_missing_alpha_means_dim() -> None:
    target = nn.Linear(6, 5)
    adapter = filled(target)
    weights = {key: value.detach() for key, value in adapter.state_dict().items()}
    assert torch.equal(Lora.from_weights(target, weights).delta(), adapter.delta())
    del weights["alpha"]
    assert Lora.from_weights(target, weights).scale == 1.0
