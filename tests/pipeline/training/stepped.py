"""A small base and network that take real training steps, for tests that compare two ways of stepping."""

from io import BytesIO
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pipeline.bases.base import Base
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.networks.families import create
from pipeline.schemas import Config
from pipeline.training.callbacks.metrics import MetricsCallback
from pipeline.training.data import Batch
from pipeline.training.history import History
from pipeline.training.module import Denoising, quiet_lightning, trainer_options
from pipeline.training.prefetched import Prefetched
from pipeline.training.state import load_state, saved_state
from tests.pipeline.bases.random_sd1 import random_base

STEPS = 3


def composed(use: dict[str, str], values: dict[str, Any]) -> Config:
    small = {"network.dim": 2, "network.alpha": 2.0} if use.get("network", "lora") == "lora" else {}
    return check(compose(Params(use, {**small, "train.clip_norm": 0.0, **values})))


def made(use: dict[str, str], values: dict[str, Any]) -> Denoising:
    """On a base of its own, always of the same numbers."""
    base, config = random_base(unet="shallow"), composed(use, values)
    for each in (base.denoiser, base.text_encoders[0]):
        each.requires_grad_(False)
    return Denoising(base, create(config.network, base, 0), config, total_steps=10)


def batches_of(base: Base, number: int = STEPS, side: int = 8) -> list[Batch]:
    generator = torch.Generator().manual_seed(9)
    ids = token_ids(base.tokenizer, ["a cat", ""])
    means = [torch.randn((2, 4, side, side), generator=generator) for _ in range(number)]
    return [Batch(each, 0.1 * each.abs(), ids, torch.ones(2), step) for step, each in enumerate(means)]


def stepped(
    module: Denoising,
    batches: list[Batch],
    *more: lightning.Callback,
    first: lightning.Callback | None = None,
    reads_ahead: bool = False,
) -> tuple[lightning.Trainer, History]:
    """Trains for an epoch of the batches; a step's losses and norms are in the history."""
    quiet_lightning()
    history = History()
    options = {**trainer_options(module.settings), "accelerator": "cpu", "logger": False}
    callbacks = [*([first] if first else []), MetricsCallback(history, 1), *more]
    trainer = lightning.Trainer(**{**options, "max_epochs": 1}, callbacks=callbacks)
    loader: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    with module.network.attached(module.base):
        trainer.fit(module, Prefetched(loader) if reads_ahead else loader)
    history.settle(lambda losses: losses)
    return trainer, history


def weights_of(module: Denoising) -> list[Tensor]:
    return [weight.detach().clone() for weight in module.network.parameters()]


def are_equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


class Saved(lightning.Callback):
    """Saves the state before the last step, as a run's checkpoint has it."""

    bytes = b""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if batch_idx == STEPS - 1:
            with BytesIO() as file:
                torch.save(saved_state(trainer, pl_module), file)
                self.bytes = file.getvalue()


class Resumed(lightning.Callback):
    """Starts from a saved state."""

    def __init__(self, saved: bytes) -> None:
        self.saved = saved

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        load_state(torch.load(BytesIO(self.saved), weights_only=True), trainer, pl_module)


def insist_on_plain_steps(plain: Denoising, ours: Denoising) -> tuple[History, History]:
    """Both train and end with the same weights and losses; the plain one's history, and ours."""
    start = weights_of(plain)
    _, known = stepped(plain, batches_of(plain.base))
    _, history = stepped(ours, batches_of(ours.base))
    assert not are_equal(start, weights_of(plain))
    assert are_equal(weights_of(plain), weights_of(ours))
    assert [row.loss for row in history.rows] == [row.loss for row in known.rows]
    return known, history
