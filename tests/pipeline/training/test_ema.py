import pytest
import torch
from diffusers.training_utils import EMAModel
from torch import nn

from pipeline.training.ema import RunningMean


def test_by_hand() -> None:
    """Decay 0, then 2/11, then the set 0.2: weights 1, 2, 3 give 1, 2/11 + 18/11, 0.2 of that + 2.4."""
    weight = nn.Parameter(torch.zeros(1))
    mean = RunningMean([weight], decay=0.2)
    seen = []
    for value in (1.0, 2.0, 3.0):
        weight.data.fill_(value)
        mean.update()
        seen.append(mean.means[0].item())
    assert seen == pytest.approx([1.0, 20 / 11, 0.2 * 20 / 11 + 2.4])


def test_it_is_diffusers() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    ours, theirs = RunningMean(layer.parameters(), 0.9), EMAModel(layer.parameters(), decay=0.9)
    for _ in range(150):
        for parameter in layer.parameters():
            parameter.data.add_(torch.randn_like(parameter))
        ours.update()
        theirs.step(layer.parameters())
    for mean, theirs_mean in zip(ours.means, theirs.shadow_params, strict=True):
        assert torch.allclose(mean, theirs_mean, atol=1e-5)


def test_the_weights_come_back_and_the_state_carries_over() -> None:
    weight = nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    mean = RunningMean([weight], 0.5)
    mean.update()
    weight.data.fill_(3)
    with mean.in_place():
        assert weight.tolist() == [1, 1]
    assert weight.tolist() == [3, 3]
    other = RunningMean([nn.Parameter(torch.zeros(2))], 0.5)
    other.load_state_dict(mean.state_dict())
    assert other.means[0].tolist() == [1, 1]
    assert other.updates == 1
