"""A training step of ours over a bare torch loop: `python -m benchmarks.train_step [--large] [--side 256]
[--rounds 5]`.

Both use the same modules, batch and optimiser; the bare loop does forward, backward and the update, nothing
else. Rounds alternate, so that both meet the same machine. Prints the ratio of the medians and its spread
over rounds.
"""

import argparse
import statistics
import time
from typing import Any

import lightning
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.base.conditioning import encode, token_ids
from pipeline.base.families import sd1_configs
from pipeline.base.load import BaseModel, load_base, make_tokenizer
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Config
from pipeline.networks.network import Network
from pipeline.training.data import Batch
from pipeline.training.module import Denoising, quiet_lightning, trainer_options
from pipeline.training.noise import add_noise
from pipeline.training.optimizers import make_optimizer

STEPS_PER_ROUND = 4


class Same(Dataset[Batch]):
    """The same batch again and again."""

    def __init__(self, batch: Batch, steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, number: int) -> Batch:
        return self.batch


class Clock(lightning.Callback):
    """Seconds of each step, from start to start; the last and the first are left out."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.starts.append(time.perf_counter())


def random_sd15() -> BaseModel:
    """A base of SD 1.5's size with random weights."""
    torch.manual_seed(0)
    configs = sd1_configs()
    return BaseModel(
        make_tokenizer(None),
        CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])).eval().requires_grad_(False),
        UNet2DConditionModel.from_config(configs["unet"]).eval().requires_grad_(False),
        AutoencoderKL.from_config(configs["vae"]).eval().requires_grad_(False),
        configs,
    )


def our_steps(base: BaseModel, network: Network, config: Config, batch: Batch) -> list[float]:
    module = Denoising(base, network, config, total_steps=1000)
    clock = Clock()
    options = {**trainer_options(config), "max_epochs": 1, "logger": False, "callbacks": [clock]}
    options["enable_progress_bar"] = False
    with network.attached(base):
        lightning.Trainer(**options).fit(
            module, DataLoader(Same(batch, STEPS_PER_ROUND + 1), batch_size=None)
        )
    return [b - a for a, b in zip(clock.starts, clock.starts[1:], strict=False)]


def bare_steps(
    base: BaseModel, network: Network, config: Config, batch: Batch, alphas: torch.Tensor
) -> list[float]:
    optimizer = make_optimizer(config.optimizer, {"unet": list(network.parameters()), "text_encoder": []})
    seconds = []
    with network.attached(base):
        for _ in range(STEPS_PER_ROUND + 1):
            started = time.perf_counter()
            noise = torch.randn_like(batch.mean)
            timesteps = torch.randint(0, 1000, (len(noise),))
            context = encode(base.text_encoder, batch.ids, 1)
            answer = base.unet(add_noise(batch.mean, noise, alphas, timesteps), timesteps, context).sample
            F.mse_loss(answer, noise).backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.perf_counter() - started)
    return seconds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--large", action="store_true", help="a random base of SD 1.5's size instead of the demo's"
    )
    parser.add_argument("--side", type=int, default=128, help="side of the pictures, px")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    quiet_lightning()
    config = check(compose(Params({}, {"network.dim": 16, "network.alpha": 8})))
    base = random_sd15() if chosen.large else load_base(config.base)
    network = Network.create(config.network, base, seed=0)
    shape = (chosen.batch, 4, chosen.side // 8, chosen.side // 8)
    ids = token_ids(base.tokenizer, ["a picture"] * chosen.batch)
    batch = Batch(torch.randn(shape), torch.rand(shape), ids, torch.ones(chosen.batch), 0)
    alphas = Denoising(base, network, config, 1).alphas
    ours, bare = [], []
    for _ in range(chosen.rounds):
        ours.append(statistics.median(our_steps(base, network, config, batch)))
        bare.append(statistics.median(bare_steps(base, network, config, batch, alphas)))
    ratios = sorted(a / b for a, b in zip(ours, bare, strict=True))
    our_median, bare_median = statistics.median(ours), statistics.median(bare)
    print(f"a step: ours {our_median:.4f} s, bare {bare_median:.4f} s")
    print(f"ratio {our_median / bare_median:.3f} (by round {ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
