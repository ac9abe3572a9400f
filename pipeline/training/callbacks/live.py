"""A run's numbers in logs/<train.name>/live.jsonl while it trains, a JSON object a line, for the workbench.

    {"run": {"name": "zibbo", "done": 0, "steps": 630, "epochs": 10}}
    {"step": 10, "epoch": 1, "loss": 0.41, "lr": 0.001, ..., "pictures_per_s": 6.1, "seconds_left": 95.2}
    {"epoch": 1, "validation": 0.052}
    {"finding": {"kind": "blown_up", "sentence": "...", "advice": "..."}}
    {"end": "done"}

A number that is unknown, infinite or not a number is null. A run that resumes starts the file anew, with all
steps since its beginning.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import lightning
import psutil  # type: ignore[import-untyped]
import torch
from lightning.pytorch.callbacks import Callback

from pipeline.training.callbacks.checkpoints import TurnedBack
from pipeline.training.data import Batch
from pipeline.training.doctor import BLOWN_UP, Finding, has_blown_up
from pipeline.training.history import HELD_OUT, TRAIN, History, LossRow, mean_by_epoch

LIVE_FILE = "live.jsonl"


class LiveFile:
    """The file in a run's folder of logs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LIVE_FILE

    def begin(self, **run: str | int) -> None:
        """Starts the file anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.add({"run": run})

    def add(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(line)) + "\n")

    def end(self, how: str, findings: Sequence[Finding] = ()) -> None:
        """`how`: done or stopped."""
        for finding in findings:
            self.add({"finding": asdict(finding)})
        self.add({"end": how})


class LiveFileCallback(Callback):
    """Writes the history's new numbers once they are off the device."""

    def __init__(self, history: History, file: LiveFile, name: str, steps: int, every_steps: int) -> None:
        self.history, self.file, self.name = history, file, name
        self.steps, self.every_steps = steps, every_steps
        self.done, self.started = len(history.rows), time.monotonic()
        self.rows = self.pictures = 0
        self.epochs: set[int] = set()
        self.is_broken = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started = time.monotonic()
        if trainer.is_global_zero:
            epochs = int(trainer.max_epochs or 1)
            self.file.begin(name=self.name, done=self.done, steps=self.steps, epochs=epochs)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._write(trainer)
        self.pictures += len(batch.weight) * trainer.world_size

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._write(trainer, is_last=True)

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        if trainer.is_global_zero and self.file.path.exists() and not isinstance(exception, TurnedBack):
            self._write(trainer, is_last=True)
            self.file.end("stopped")

    def _write(self, trainer: lightning.Trainer, is_last: bool = False) -> None:
        """Writes a line for each `every_steps` steps; `is_last`: also for the rest."""
        if not trainer.is_global_zero or len(self.history.rows) == self.rows:
            return
        while (new := self.history.rows[self.rows : self.rows + self.every_steps]) and (
            len(new) == self.every_steps or is_last
        ):
            self.rows += len(new)
            self.file.add(self._step(new))
        if not self.is_broken and has_blown_up(self.history):
            self.is_broken = True
            self.file.add({"finding": asdict(BLOWN_UP)})
        self._write_epochs()

    def _step(self, rows: Sequence[LossRow]) -> dict[str, Any]:
        last, seconds = rows[-1], time.monotonic() - self.started
        norms = [each.gradient_norm for each in self.history.norms if rows[0].step <= each.step <= last.step]
        is_new, now = last.step >= self.done, len(self.history.rows)
        return {
            "step": last.step + 1,
            "epoch": last.epoch + 1,
            "loss": fmean(row.loss for row in rows),
            "lr": last.lr,
            "text_encoder_lr": last.text_encoder_lr,
            "gradient_norm": norms[-1] if norms else None,
            "pictures_per_s": self.pictures / seconds if is_new else None,
            "memory_bytes": _memory() if is_new else None,
            "seconds_left": seconds / (now - self.done) * (self.steps - now) if is_new else None,
        }

    def _write_epochs(self) -> None:
        """The held-out pictures' loss after each epoch, 0 being the base's; the training pictures' loss where
        none are held out.
        """
        held_out = mean_by_epoch(self.history.measured, HELD_OUT)
        for epoch, loss in (held_out or mean_by_epoch(self.history.measured, TRAIN)).items():
            if epoch not in self.epochs:
                self.epochs.add(epoch)
                self.file.add({"epoch": epoch, "validation": loss})


def _memory() -> int:
    """Bytes: the GPU's peak, or on a CPU what the process holds."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
