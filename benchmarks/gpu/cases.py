"""A training step as three programs take it: ours, a bare torch loop, and diffusers' training scripts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch

from benchmarks.gpu.bases import random_base, side_px
from benchmarks.train_step import Round, bare_round, our_round, step_operations
from pipeline.bases.base import Base
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.device import best_device
from pipeline.networks.families import create
from pipeline.networks.trained import Trainable
from pipeline.schemas import Config
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.precision import FULL
from pipeline.training.text_outputs import are_fixed

QUERIES_KEYS_VALUES = {"network.include": ["attn[12]_to_(q|k|v|out_0)$"], "network.text_encoder": False}
"""The layers that diffusers' scripts train, and their frozen text encoders."""
AS_PRESET = {"network.text_encoder": False, "train.shuffle_tags": False}
"""The text encoders' outputs kept: a benchmark's batch has them."""
AS_DIFFUSERS = {**QUERIES_KEYS_VALUES, "train.shuffle_tags": False}


@dataclass(frozen=True)
class Case:
    """A training: the base by name, pictures a step, precision, and settings by their dotted keys. A preset
    for a card brings its own precision. `repeatable`: by deterministic algorithms, as every run.
    """

    base: str
    batch: int = 1
    precision: str = "bf16"
    values: dict[str, Any] = field(default_factory=dict)
    use: dict[str, str] = field(default_factory=dict)
    repeatable: bool = True

    def config(self) -> Config:
        own: dict[str, Any] = {"train.batch": self.batch, "logging.tensorboard": False}
        if "memory" not in self.use:
            own["train.precision"] = self.precision
        if self.use.get("network", "lora") not in ("checkpoint",):
            own |= {"network.dim": 16, "network.alpha": 8}
        return check(compose(Params(self.use, {**own, **self.values})))


class TextsRest(lightning.Callback):
    """Takes the text encoders off the device, as in a run that keeps their outputs."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        assert isinstance(pl_module, Denoising)
        pl_module.rest_text_encoders()


class Bench:
    """Keeps one base at a time, so that the memory measured is that of one training. `rates`: the device's
    operations per second by precision.
    """

    def __init__(self, tiny: bool) -> None:
        self.tiny, self.device = tiny, best_device()
        self._key: tuple[object, ...] | None = None
        self._base: Base | None = None
        self._operations: dict[str, int] = {}
        self.rates: dict[str, float] = {}

    def base(self, name: str, state: str = "") -> Base:
        """`state`: what a measurement has made of its weights (16 bits, other layers); one of another state
        is made anew.
        """
        if self._key != (name, state):
            self.free()
            self._base = random_base(name, self.device, self.tiny)
            self._key = name, state
        assert self._base is not None
        return self._base

    def free(self) -> None:
        self._base = self._key = None
        if self.device.type == "cuda":
            import gc

            gc.collect()
            torch.cuda.empty_cache()

    def batch(self, base: Base, case: Case, config: Config) -> Batch:
        side, number = side_px(case.base, self.tiny), case.batch
        generator = torch.Generator().manual_seed(1)
        shape = (number, 4, side // 8, side // 8)
        mean, std = torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)
        made = Batch(mean, std, token_ids(base.tokenizer, ["a picture"] * number), torch.ones(number), 0)
        sizes = base.family.sizes(side, side)
        made.sizes = torch.tensor([sizes] * number) if sizes else None
        if are_fixed(config):  # as a run has it: encoded once, before the first step
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
                for encoder in base.text_encoders:
                    encoder.to(self.device)
                made.conditioning = base.family.encode(base, made.ids.to(self.device), 1).to("cpu")
            base.free(base.text_part_names)
        return made

    @contextmanager
    def ready(self, case: Case) -> Iterator[tuple[Base, Trainable, Config, Batch]]:
        config = case.config()
        base = self.base(case.base, state_of(config))
        # A full fine-tune sets the base's own weights aside: in a run they wait in the machine's memory.
        base.to(torch.device("cpu") if config.network.name == "checkpoint" else self.device)
        network = create(config.network, base, 0)
        yield base, network, config, self.batch(base, case, config)

    def ours(self, case: Case, steps: int, more: Sequence[Any] = ()) -> Round:
        with self.ready(case) as (base, network, config, batch):
            rest = [] if batch.conditioning is None else [TextsRest()]
            return our_round(base, network, config, batch, steps, [*rest, *more], case.repeatable)

    def bare(self, case: Case, steps: int) -> Round:
        with self.ready(case) as (base, network, config, batch):
            return bare_round(base, network, config, batch, steps)

    def operations(self, case: Case) -> int:
        """Of a step with one picture, without recomputation."""
        precision = case.config().train.precision.removesuffix(FULL)
        plain = Case(case.base, 1, precision, AS_DIFFUSERS)
        if case.base not in self._operations:
            with self.ready(plain) as (base, network, config, batch):
                our_round(base, network, config, batch, 1)  # readies the base
                self._operations[case.base] = step_operations(
                    lambda: bare_round(base, network, config, batch, 1)
                )
        return self._operations[case.base]

    def operations_known(self, case: Case) -> int:
        """As `operations`; 0 if a step was not counted yet, for which the base would have to be made anew."""
        return self._operations.get(case.base, 0)


def state_of(config: Config) -> str:
    """Settings that change the base's modules for good: their base is used for nothing else."""
    keys = ("precision", "base_precision", "channels_last", "compile", "gradient_checkpointing", "cuda_graph")
    return " ".join(f"{key}={getattr(config.train, key)}" for key in keys)
