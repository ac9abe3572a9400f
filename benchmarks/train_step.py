"""Our training step relative to a bare torch loop's: `python -m benchmarks.train_step [--large] [--side 256]
[--batch 1 4 16] [--precision bf16] [--compile] [--rounds 5] [--steps 4]`.

Both use the same modules, batch and optimiser. Ours has all that a run has (records, norms, clipping,
checkpoints, the doctor, TensorBoard, deterministic algorithms); the bare loop does only forward, backward and
the update. Rounds alternate, so that both run under the same load, and wait for the device only at their
ends. Prints for each batch the ratio of the medians and its spread over rounds, the ratio of processor time
(which other work on the machine disturbs less), pictures per second, the share of the device's rate on a
large matrix product, and on a GPU the peak memory; with --compile first eager, then compiled. On a card:
`--large --side 512 --precision bf16 --batch 1 4 16 --steps 20 --compile`.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.device import best_device, make_repeatable
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.trained import Trainable
from pipeline.schemas import AdapterNetworkConfig, Config
from pipeline.training.callbacks.checkpoints import CheckpointCallback, Start
from pipeline.training.callbacks.logs import LogsCallback, make_logs
from pipeline.training.callbacks.metrics import MetricsCallback
from pipeline.training.data import Batch
from pipeline.training.doctor import has_blown_up
from pipeline.training.history import History
from pipeline.training.module import Denoising, quiet_lightning, trainer_options
from pipeline.training.optimizers import make_optimizer
from pipeline.training.precision import FULL, PRECISION_DTYPES, is_scaled, possible
from pipeline.training.run_folder import RunFolder
from pipeline.typed_numbers import whole_number


@dataclass(frozen=True)
class Round:
    """A step's average wall and processor seconds; peak memory, bytes (0 on a CPU); seconds until the end of
    the first step.
    """

    seconds: float
    processor_s: float
    peak_bytes: int
    reserved_bytes: int = 0
    first_s: float = 0.0


class Same(Dataset[Batch]):
    """The same batch again and again."""

    def __init__(self, batch: Batch, steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, number: int) -> Batch:
        return replace(self.batch, step=number)


class Watch:
    """Measures from `start`, after the first step, to `stop`; both wait for the device."""

    def __init__(self) -> None:
        self.made = time.perf_counter()

    def start(self) -> None:
        wait()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self.began = time.perf_counter(), time.process_time()

    def stop(self, steps: int) -> Round:
        wait()
        clock, processor = self.began
        cuda = torch.cuda if torch.cuda.is_available() else None
        return Round(
            (time.perf_counter() - clock) / steps,
            (time.process_time() - processor) / steps,
            cuda.max_memory_allocated() if cuda else 0,
            cuda.max_memory_reserved() if cuda else 0,
            clock - self.made,
        )


def wait() -> None:
    """Until the device has done all its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class Clock(lightning.Callback):
    """Times all steps except the first, which warms up."""

    def __init__(self, steps: int) -> None:
        self.steps, self.watch = steps, Watch()
        self.round: Round | None = None

    def on_train_batch_start(self, *arguments: Any) -> None:
        if arguments[-1] == 1:
            self.watch.start()

    def on_train_batch_end(self, *arguments: Any) -> None:
        if arguments[-1] == self.steps:
            self.round = self.watch.stop(self.steps)


def random_sd15() -> Base:
    """A base of SD 1.5's size with random weights."""
    torch.manual_seed(0)
    configs = family("sd1").configs
    parts = {
        "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
        "unet": UNet2DConditionModel.from_config(configs["unet"]),
        "vae": AutoencoderKL.from_config(configs["vae"]),
    }
    for part in parts.values():
        part.eval().requires_grad_(False)
    return Base(family("sd1"), make_tokenizer(None), parts, configs)


def our_round(
    base: Base,
    network: Trainable,
    config: Config,
    batch: Batch,
    steps: int,
    more: Sequence[Any] = (),
    repeatable: bool = True,
) -> Round:
    """`more`: callbacks after ours. `repeatable`: by deterministic algorithms, as every run."""
    make_repeatable()
    torch.use_deterministic_algorithms(repeatable, warn_only=True)
    clock, history = Clock(steps), History()
    module = Denoising(base, network, config, total_steps=1000)
    with TemporaryDirectory() as folder, network.attached(base):
        keeper = CheckpointCallback(RunFolder(Path(folder)), history, config, Start(), 1000, has_blown_up)
        # The clock comes first, so that it times what the other callbacks do at the ends of a step.
        callbacks = [
            clock,
            MetricsCallback(history, config.logging.every_steps),
            keeper,
            LogsCallback(history),
            *more,
        ]
        logs = make_logs(config, Path(folder), done=0)
        options = {**trainer_options(config), "max_epochs": 1, "logger": logs, "callbacks": callbacks}
        options["enable_progress_bar"] = False
        lightning.Trainer(**options).fit(module, DataLoader(Same(batch, steps + 1), batch_size=None))
    assert clock.round is not None
    return clock.round


def bare_round(base: Base, network: Trainable, config: Config, batch: Batch, steps: int) -> Round:
    """The same steps in a bare loop, with the base on the device and in the precision that our round left."""
    torch.use_deterministic_algorithms(False)
    device, watch = best_device(), Watch()
    parts = {base.family.denoiser: list(network.parameters())}
    optimizer = make_optimizer(config.optimizer, parts)
    mean, ids, known = batch.mean.to(device), batch.ids.to(device), batch.conditioning
    known = known and known.to(device)
    sizes = None if batch.sizes is None else batch.sizes.to(device)
    objective = base.family.objective(base.configs, config.noise).to(device)
    precision = possible(config.train.precision).removesuffix(FULL)
    dtype = PRECISION_DTYPES[precision]
    scaler = torch.amp.GradScaler(device.type, enabled=is_scaled(precision))

    def step() -> None:
        noise = torch.randn_like(mean)
        timesteps = torch.randint(0, 1000, (len(noise),), device=device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32, cache_enabled=False):
            context = (known or base.family.encode(base, ids, 1)).sized(sizes)
            noisy = objective.noisy(mean, noise, timesteps)
            answer = base.family.predict(base, noisy, timesteps, context)
        scaler.scale(F.mse_loss(answer.float(), noise)).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    with network.attached(base):
        # Lightning moves what it trains off the card.
        for module in (base.denoiser, *([] if known else base.text_encoders), network):
            module.to(device)
        step()
        watch.start()
        for _ in range(steps):
            step()
        return watch.stop(steps)


def step_operations(round_of_one: Callable[[], Round]) -> int:
    """Floating-point operations of a step, from two steps (a warm-up and a timed one)."""
    with FlopCounterMode(display=False) as counter:
        round_of_one()
    return int(counter.get_total_flops()) // 2


def matrix_rate(precision: str, side: int | None = None) -> float:
    """Operations per second in a product of large square matrices."""
    device = best_device()
    usual, times = (8192, 20) if device.type == "cuda" else (2048, 3)
    side = side or usual
    matrix = torch.randn(side, side, device=device, dtype=PRECISION_DTYPES[precision])
    matrix @ matrix
    watch = Watch()
    watch.start()
    for _ in range(times):
        matrix @ matrix
    return 2 * side**3 / watch.stop(times).seconds


def report(ours: Sequence[Round], bare: Sequence[Round], pictures: int, operations: int, rate: float) -> str:
    """The figures as text."""
    our, other = (statistics.median(each.seconds for each in rounds) for rounds in (ours, bare))
    ratios = sorted(a.seconds / b.seconds for a, b in zip(ours, bare, strict=True))
    processor = [statistics.median(each.processor_s for each in rounds) for rounds in (ours, bare)]
    lines = [
        f"a step: ours {our:.4f} s, bare {other:.4f} s",
        f"ratio {our / other:.3f} (by round {ratios[0]:.3f} to {ratios[-1]:.3f});"
        f" of processor time {processor[0] / processor[1]:.3f}",
        f"{pictures / our:.2f} pictures a second; {operations / our / rate:.0%} of the matrix rate"
        f" ({rate / 1e12:.2f} Tflop/s)",
    ]
    if peak := max(each.peak_bytes for each in ours):
        bare_peak = max(each.peak_bytes for each in bare)
        lines.append(f"peak memory: ours {peak / 2**30:.2f} GiB, bare {bare_peak / 2**30:.2f} GiB")
    return "\n".join(lines)


def measure(base: Base, config: Config, batch_pictures: int, chosen: argparse.Namespace) -> str:
    assert isinstance(config.network, AdapterNetworkConfig)
    network = AdapterNetwork.create(config.network, base, seed=0).to(best_device())
    shape = (batch_pictures, 4, chosen.side // 8, chosen.side // 8)
    ids = token_ids(base.tokenizer, ["a picture"] * batch_pictures)
    batch = Batch(torch.randn(shape), torch.rand(shape), ids, torch.ones(batch_pictures), 0)
    ours, bare = [], []
    for _ in range(chosen.rounds):
        ours.append(our_round(base, network, config, batch, chosen.steps))
        bare.append(bare_round(base, network, config, batch, chosen.steps))
    if batch_pictures not in chosen.operations:  # counted in the eager run: compiled kernels hide them
        chosen.operations[batch_pictures] = step_operations(
            lambda: bare_round(base, network, config, batch, 1)
        )
    operations = chosen.operations[batch_pictures]
    return report(ours, bare, batch_pictures, operations, matrix_rate(config.train.precision))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--large", action="store_true", help="a random base of SD 1.5's size instead of the demo's"
    )
    parser.add_argument("--side", type=whole_number(1), default=128, help="side of the pictures, px")
    parser.add_argument("--batch", type=whole_number(1), nargs="+", default=[1], help="pictures a step")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true", help="eager, then compiled")
    parser.add_argument("--rounds", type=whole_number(1), default=5)
    parser.add_argument("--steps", type=whole_number(1), default=4, help="steps per round, after the first")
    chosen = parser.parse_args()
    chosen.operations = {}
    quiet_lightning()
    base: Base | None = None
    for compiled in [False, True] if chosen.compile else [False]:
        values = {
            "network.dim": 16,
            "network.alpha": 8,
            "train.precision": chosen.precision,
            "train.compile": compiled,
        }
        config = check(compose(Params({}, values)))
        base = base or (random_sd15() if chosen.large else load_base(config.base))
        for pictures in chosen.batch:
            print(f"== batch {pictures}, {chosen.precision}, {'compiled' if compiled else 'eager'}")
            print(measure(base, config, pictures, chosen), flush=True)


if __name__ == "__main__":
    main()
