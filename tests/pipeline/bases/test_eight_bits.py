"""Layers in 8 bits: the rounding by hand, answers and gradients against the rounded layer in full precision,
and the memory of a step.
"""

import copy

import pytest
import torch
from torch import Tensor, nn

from pipeline.bases.eight_bits import EightBitConv, EightBitLinear, in_eight_bits


def turned(layer: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    part = nn.Sequential(copy.deepcopy(layer)).requires_grad_(False)
    in_eight_bits([part], dtype)
    return part[0]


def rounded(layer: nn.Module, eight: nn.Module) -> nn.Module:
    """The layer with the rounded weights of the one in 8 bits."""
    same = copy.deepcopy(layer).requires_grad_(False)
    same.weight = nn.Parameter(eight.weight.float() * eight.scale.float(), requires_grad=False)  # type: ignore[operator, union-attr]
    return same


LAYERS = {
    "linear": (nn.Linear(64, 96), torch.randn(3, 7, 64)),
    "without bias": (nn.Linear(64, 64, bias=False), torch.randn(5, 64)),
    "convolution": (nn.Conv2d(16, 32, 3, padding=1), torch.randn(2, 16, 9, 8)),
    "with a stride": (nn.Conv2d(16, 32, 3, stride=2, padding=1), torch.randn(2, 16, 9, 8)),
    "in groups": (nn.Conv2d(64, 64, 3, groups=4), torch.randn(2, 64, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_answer_and_gradient_are_those_of_the_rounded_layer(name: str) -> None:
    layer, x = LAYERS[name]
    eight = turned(layer)
    assert type(eight) in (EightBitLinear, EightBitConv)
    other = rounded(layer, eight)
    results: list[tuple[Tensor, Tensor]] = []
    for each in (eight, other):
        leaf = x.clone().requires_grad_()
        answer = each(leaf)
        answer.square().sum().backward()
        assert leaf.grad is not None
        results.append((answer.detach(), leaf.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_rounding_by_hand() -> None:
    layer = nn.Linear(4096, 2, bias=False)
    weight = torch.zeros(2, 4096)
    weight[0, :3] = torch.tensor([1.27, -0.5, 0.004])  # scale 0.01: 127, -50, 0.4 -> 0
    weight[1, :2] = torch.tensor([-0.254, 0.003])  # scale 0.002: -127, 1.5 -> 2 (to even)
    layer.weight = nn.Parameter(weight)
    eight = turned(layer)
    assert isinstance(eight, EightBitLinear)
    assert eight.weight.dtype == torch.int8
    assert eight.weight[0, :3].tolist() == [127, -50, 0]
    assert eight.weight[1, :2].tolist() == [-127, 2]
    assert eight.scale.flatten().tolist() == pytest.approx([0.01, 0.002])


def test_an_error_is_at_most_half_a_step_and_a_row_of_zeros_stays_zero() -> None:
    layer = nn.Linear(300, 40)
    with torch.no_grad():
        layer.weight[3] = 0
    eight = turned(layer, torch.bfloat16)
    assert isinstance(eight, EightBitLinear)
    whole, scale = eight.weight.float() * eight.scale.float(), eight.scale.float()
    assert (
        (whole - layer.weight).abs() <= 0.5 * scale * 1.02
    ).all()  # 2 %: the largest, if its scale is rounded down
    assert (whole[3] == 0).all()


def test_under_autocast_it_computes_in_16_bits() -> None:
    layer, x = LAYERS["linear"]
    eight = turned(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert eight(x).dtype == torch.bfloat16


def test_small_layers_the_ends_and_embeddings_keep_their_weights() -> None:
    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv_in = nn.Conv2d(64, 64, 3)
            self.small = nn.Linear(8, 8)
            self.embeddings = nn.ModuleDict({"token_embedding": nn.Embedding(100, 64)})
            self.large = nn.Linear(64, 64)

    part = Part()
    in_eight_bits([part], torch.float32)
    kept = (part.conv_in, part.small, part.embeddings["token_embedding"])
    assert all(each.weight.dtype == torch.float32 for each in kept)
    assert part.large.weight.dtype == torch.int8
    part.to(torch.bfloat16)
    assert part.large.weight.dtype == torch.int8
    assert part.large.scale.dtype == torch.bfloat16


def test_the_backward_pass_keeps_no_whole_weight() -> None:
    """What autograd keeps of a chain of layers: the tensors themselves, no copies of weights or inputs."""
    layers = [nn.Linear(256, 256, bias=False) for _ in range(4)]
    chain = nn.Sequential(*layers).requires_grad_(False)
    in_eight_bits([chain], torch.float32)
    kept: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        chain(torch.randn(8, 256, requires_grad=True))
    own = {tensor.data_ptr() for layer in layers for tensor in (layer.weight, layer.get_buffer("scale"))}
    assert len(kept) == 8
    assert {tensor.data_ptr() for tensor in kept} == own
