"""A training step of each algorithm relative to LoRA's at equal dim, and of LoRA relative to the frozen
base's: `python -m benchmarks.adapter_step [--large] [--side 256] [--dim 16] [--rounds 5] [--names loha lokr]
[--count]`.

Forward, backward and update on one batch, in the same loop for all; rounds alternate, so that all run under
the same load. `frozen` is the base alone, with gradients back to the latents and the tokens, and AdamW
updating as many separate numbers as LoRA has. Prints the ratios of the medians and their spread over rounds;
`--cpu-time` counts the process's own seconds, for a shared machine (one thread only). `--count` runs nothing:
it prints the multiplications and additions of matrix products and convolutions in one step.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train_step import random_sd15
from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.networks.algorithms import ALGORITHMS
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import AdapterNetworkConfig
from pipeline.typed_numbers import whole_number

STEPS_PER_ROUND = 4
Clock = Callable[[], float]


def made(base: Base, name: str, dim: int) -> AdapterNetwork:
    """A network on the attention blocks and the text encoder, as LoRA is."""
    values = {"network.dim": dim, "network.alpha": dim / 2, "network.conv_dim": None}
    config = check(compose(Params({"network": name}, values)))
    assert isinstance(config.network, AdapterNetworkConfig)
    return AdapterNetwork.create(config.network, base, seed=0)


class Frozen(nn.Module):
    """Attaches nothing; holds as many numbers as a network."""

    def __init__(self, like: AdapterNetwork) -> None:
        super().__init__()
        self.numbers = nn.ParameterList(torch.zeros_like(each) for each in like.parameters())

    @contextmanager
    def attached(self, base: Base) -> Iterator[None]:
        tokens = base.text_encoders[0].get_input_embeddings()
        handle = tokens.register_forward_hook(lambda _, __, out: out.detach().requires_grad_())
        yield
        handle.remove()

    def before_step(self, seed: int) -> None:  # noqa: ARG002
        for number in self.numbers:
            number.grad = number.detach()


def steps(base: Base, network: AdapterNetwork | Frozen, side: int, batch: int, clock: Clock) -> list[float]:
    """Seconds of each step but the first."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    latents = torch.randn(batch, 4, side // 8, side // 8, requires_grad=isinstance(network, Frozen))
    ids, timesteps = token_ids(base.tokenizer, ["a picture"] * batch), torch.full((batch,), 500)
    seconds = []
    with network.attached(base):
        for number in range(STEPS_PER_ROUND + 1):
            started = clock()
            network.before_step(number)
            answer = base.denoiser(latents, timesteps, base.family.encode(base, ids, 1).tokens).sample
            F.mse_loss(answer, latents.detach()).backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(clock() - started)
    return seconds[1:]


def count(base: Base, network: AdapterNetwork | Frozen, side: int, batch: int) -> int:
    """Operations of a step, counted on tensors without data."""
    for module in (base.denoiser, base.text_encoders[0], network):
        module.to(torch.device("meta"))
    latents = torch.zeros(
        batch, 4, side // 8, side // 8, device="meta", requires_grad=isinstance(network, Frozen)
    )
    ids = token_ids(base.tokenizer, ["a picture"] * batch).to("meta")
    with network.attached(base), FlopCounterMode(display=False) as counter:
        network.before_step(0)
        times = torch.full((batch,), 500, device="meta")
        answer = base.denoiser(latents, times, base.family.encode(base, ids, 1).tokens).sample
        F.mse_loss(answer, latents.detach()).backward()
    return int(counter.get_total_flops())


def print_counts(base: Base, networks: dict[str, AdapterNetwork | Frozen], side: int, batch: int) -> None:
    with patch("torch.is_autocast_enabled", lambda _: False):  # it does not know the meta device
        counts = {name: count(base, network, side, batch) for name, network in networks.items()}
    for name, operations in counts.items():
        print(f"{name:7} {operations / 1e9:.1f} GFLOP a step, {operations / counts['lora']:.3f} of lora")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="a random base of SD 1.5's size, not the demo's")
    parser.add_argument("--side", type=whole_number(1), default=128, help="side of the pictures, px")
    parser.add_argument("--batch", type=whole_number(1), default=4)
    parser.add_argument("--dim", type=whole_number(1), default=16)
    parser.add_argument("--rounds", type=whole_number(1), default=5)
    parser.add_argument("--names", nargs="+", choices=list(ALGORITHMS), default=list(ALGORITHMS))
    parser.add_argument("--cpu-time", action="store_true", help="this process's own seconds")
    parser.add_argument("--count", action="store_true", help="operations instead of time")
    chosen = parser.parse_args()
    clock = time.process_time if chosen.cpu_time else time.perf_counter
    base = random_sd15() if chosen.large else load_base(check(compose(Params({}, {}))).base)
    names = ["lora", *(name for name in chosen.names if name != "lora")]
    networks: dict[str, AdapterNetwork | Frozen] = {name: made(base, name, chosen.dim) for name in names}
    networks["frozen"] = Frozen(made(base, "lora", chosen.dim))
    if chosen.count:
        print_counts(base, networks, chosen.side, chosen.batch)
        return
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(chosen.rounds):
        for name, network in networks.items():
            seconds[name].append(statistics.median(steps(base, network, chosen.side, chosen.batch, clock)))
    for name, network in networks.items():
        ratios = sorted(ours / lora for ours, lora in zip(seconds[name], seconds["lora"], strict=True))
        numbers = sum(parameter.numel() for parameter in network.parameters())
        print(
            f"{name:7} {statistics.median(seconds[name]):.4f} s a step,"
            f" {statistics.median(ratios):.3f} of lora"
            f" (by round {ratios[0]:.3f} to {ratios[-1]:.3f}), {numbers} numbers trained"
        )


if __name__ == "__main__":
    main()
