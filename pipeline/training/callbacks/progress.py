"""Shows a training's progress: epoch (from 1), loss, time left of the whole run."""

import sys
from statistics import fmean
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from pipeline.progress import ProgressLines
from pipeline.training.data import Batch
from pipeline.training.history import History

LOSS_OF_STEPS = 50
"""The shown loss is their mean, because a single step's loss depends on its noise level."""


class ProgressCallback(Callback):
    """A bar on a terminal, else a line now and then; only the first of several devices prints."""

    def __init__(self, history: History, total_steps: int, done: int) -> None:
        self.history, self.total_steps, self.done = history, total_steps, done
        self.bar: tqdm[Any] | None = None
        self.lines = ProgressLines("train", total_steps, done)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.lines = ProgressLines("train", self.total_steps, self.done)
        if trainer.is_global_zero and sys.stderr.isatty():
            self.bar = tqdm(
                total=self.total_steps, initial=self.done, desc="train", unit="step", dynamic_ncols=True
            )

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        if not trainer.is_global_zero:
            return
        epoch = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        if self.bar is None:
            self.lines.step(f", {epoch}{self._loss()}")
            return
        self.bar.set_description(epoch, refresh=False)
        self.bar.set_postfix_str(self._loss().removeprefix(", "), refresh=False)
        self.bar.update()

    def _loss(self) -> str:
        """The loss of recent steps, as far as it is off the device."""
        rows = self.history.rows[-LOSS_OF_STEPS:]
        return f", loss {fmean(row.loss for row in rows):.4f}" if rows else ""

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
