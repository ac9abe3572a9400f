"""Saves checkpoints to resume from, stops between steps on Ctrl-C, and rolls back a run that blew up."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from pipeline.schemas import Config
from pipeline.training.data import Batch
from pipeline.training.history import History, Rollback
from pipeline.training.run_folder import LAST_STATE, RunFolder
from pipeline.training.state import load_state, saved_state, set_random_state, slow_down

KEPT_GOOD = 3
"""Good states kept for rollback."""


class Interrupted(Exception):  # noqa: N818 - an event, not an error
    """Ctrl-C or SIGTERM, handled between steps."""


class TurnedBack(Exception):  # noqa: N818 - an event, not an error
    """The last checkpoint is an earlier state now; the run resumes from it."""


class BlownUp(Exception):  # noqa: N818 - an event, not an error
    """The run blew up, and `doctor` allows no (further) rollback."""


@dataclass
class Start:
    """Where a run starts or resumes: after `done` steps, with learning rates times `rate`, of which the saved
    optimisers already have `rate_in_weights`. `files`: SHA-256 of the epoch files by name.
    """

    done: int = 0
    rate: float = 1.0
    rate_in_weights: float = 1.0
    files: dict[str, str] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=History().state)
    weights: dict[str, Any] | None = None


class CheckpointCallback(Callback):
    """Acts at the beginning of a step, when all callbacks of the previous step are done."""

    def __init__(
        self,
        place: RunFolder,
        history: History,
        config: Config,
        start: Start,
        total_steps: int,
        has_blown_up: Callable[[History], bool],
    ) -> None:
        self.place, self.history, self.config, self.start = place, history, config, start
        self.total_steps, self.has_blown_up = total_steps, has_blown_up
        self.interrupted = False
        self.done = start.done
        self._random = start.weights["random"] if start.weights else None
        self._saved_at = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.start.weights:
            load_state(self.start.weights, trainer, pl_module)
        slow_down(trainer, self.start.rate / self.start.rate_in_weights)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        if self._random is not None:
            set_random_state(self._random)
            self._random = None
        if batch_idx % trainer.accumulate_grad_batches == 0 and batch.step > self.start.done:
            self._between_updates(trainer, pl_module, batch.step)
        elif self.interrupted:
            raise Interrupted

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.history.settle(trainer.strategy.reduce)
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._look(trainer, pl_module, self.total_steps)

    def _between_updates(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, step: int
    ) -> None:
        """`step` steps are done. Whether to settle and to check may only depend on what all devices know."""
        self.done = step

        def due(every: int | None) -> bool:
            last = step - trainer.accumulate_grad_batches
            return every is not None and step // every != max(0, last) // every

        saves, looks = due(self.config.resume.every_steps), due(self.config.doctor.every_steps)
        stops = self.interrupted and trainer.world_size == 1
        if saves or looks or stops or due(self.config.logging.every_steps):
            self.history.settle(trainer.strategy.reduce)
            if looks:
                self._look(trainer, module, step)
            # The leading process's clock decides for all, because all must gather split weights.
            if trainer.strategy.broadcast(saves or stops or self._is_time()):
                self._save(LAST_STATE, trainer, module, step)
        if self.interrupted:
            raise Interrupted

    def _is_time(self) -> bool:
        minutes = self.config.resume.every_minutes
        return minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes

    def _look(self, trainer: lightning.Trainer, module: lightning.LightningModule, step: int) -> None:
        """Saves a good state for rollback, or rolls back."""
        doctor = self.config.doctor
        look = step // doctor.every_steps
        if not self.has_blown_up(self.history):
            if doctor.action == "rollback" and step < self.total_steps:
                self._save(_good(look), trainer, module, step)
                self.place.remove(_good(look - KEPT_GOOD))
        elif doctor.action == "rollback" and len(self.history.rollbacks) < doctor.max_rollbacks:
            self._turn_back(step, look)
        elif doctor.action != "tell" or self.history.is_broken():
            raise BlownUp

    def _turn_back(self, step: int, look: int) -> None:
        """Makes the state of two checks ago (the last one may have been bad already), or the start, the
        checkpoint to resume from, with a lower learning rate.
        """
        state = self.place.load(_good(look - 2))
        start = Start(**state) if state else Start()
        start.rate = self.start.rate * self.config.doctor.rollback_factor
        rollback = Rollback(step, start.done, start.rate)
        start.history["rollbacks"] = [
            list(vars(each).values()) for each in [*self.history.rollbacks, rollback]
        ]
        self.place.save(LAST_STATE, vars(start))
        raise TurnedBack

    def _save(
        self, name: str, trainer: lightning.Trainer, module: lightning.LightningModule, step: int
    ) -> None:
        weights = saved_state(trainer, module)
        if trainer.is_global_zero:
            rate = self.start.rate
            state = Start(step, rate, rate, self.place.digests(), self.history.state(), weights)
            self.place.save(name, vars(state))
        self._saved_at = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the first Ctrl-C or SIGTERM stops after the step; a second one stops at once."""

        def stop(*_: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            print("stopping after this step; press Ctrl-C again to stop at once", file=sys.stderr)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _good(look: int) -> str:
    return f"good-{look}.pt"
