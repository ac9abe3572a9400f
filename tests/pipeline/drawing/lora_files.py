"""LoRA files that change a picture visibly."""

from pathlib import Path

import torch

from pipeline.bases.base import Base
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.algorithms.lora import Lora
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.networks.examples import network_config


def random_lora(base: Base, seed: int) -> AdapterNetwork:
    made = AdapterNetwork.create(network_config("lora", dim=4, alpha=2.0), base, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _, adapter in made.adapters():
            assert isinstance(adapter, Lora)
            torch.nn.init.normal_(adapter.lora_up.weight, std=0.3)
    return made.eval()


def write_lora(path: Path, base: Base, seed: int) -> Path:
    write_safetensors(path, random_lora(base, seed).file_tensors("fp32"), {})
    return path
