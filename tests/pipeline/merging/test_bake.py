import torch

from pipeline.merging.bake import bake, baked
from pipeline.networks.algorithms.lora import Lora
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_network import answer, config


def test_hand_worked_sum() -> None:
    result = baked(torch.ones(2, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 0.5)
    assert result.tolist() == [[1.5, 2.0], [2.5, 3.0]]


def test_the_baked_base_answers_as_the_attached_network() -> None:
    base = random_base()
    network = AdapterNetwork.create(config(), base, seed=0)
    torch.manual_seed(2)
    for _, adapter in network.adapters():
        assert isinstance(adapter, Lora)
        torch.nn.init.normal_(adapter.lora_up.weight, std=0.3)
    network.set_weight(0.7)
    with network.attached(base):
        attached = answer(base)
    changed = bake(network, base, 0.7)
    assert torch.allclose(answer(base), attached, atol=1e-5)
    assert changed.keys() == network.keys()
