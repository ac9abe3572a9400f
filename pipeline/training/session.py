"""Runs one training to its end, from the start or the last checkpoint."""

import copy
import json
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from pipeline.schemas import Config
from pipeline.training.callbacks.checkpoints import CheckpointCallback, Interrupted, Start, TurnedBack
from pipeline.training.callbacks.epoch_files import EpochFilesCallback
from pipeline.training.callbacks.logs import LogsCallback
from pipeline.training.callbacks.metrics import MetricsCallback
from pipeline.training.callbacks.progress import ProgressCallback
from pipeline.training.data import EncodedData
from pipeline.training.history import History
from pipeline.training.kernels import choose
from pipeline.training.module import Denoising, trainer_options
from pipeline.training.planning.forecast import TrainPlan
from pipeline.training.run_folder import LAST_STATE, RunFolder
from pipeline.training.trainer_state import begin_at

REPORTED_PACKAGES = ("torch", "diffusers", "transformers", "lightning", "safetensors")
WITHOUT_EFFECT = {"resume", "logging"}
"""Groups that do not change the result."""


def recipe(config: Config, inputs: dict[str, str | None]) -> str:
    """Everything that determines the result: the inputs' hashes, settings, versions of packages."""
    packages = {name: version(name) for name in REPORTED_PACKAGES}
    params = {group: values for group, values in config.identity().items() if group not in WITHOUT_EFFECT}
    return json.dumps({"inputs": inputs, "params": params, "packages": packages}, sort_keys=True)


@dataclass
class Session:
    """`make_loggers` and `make_callbacks` are called whenever the run starts, resumes or rolls back; the
    argument of `make_loggers` is the number of steps done.
    """

    config: Config
    module: Denoising
    data: EncodedData
    place: RunFolder
    recipe: str
    plan: TrainPlan
    has_blown_up: Callable[[History], bool]
    make_loggers: Callable[[int], list[Logger]]
    make_callbacks: Callable[[History], Sequence[Callback]]
    partial: Path
    """Folder for the network of an interrupted run."""

    def run(self) -> History:
        """Trains to the end. Raises KeyboardInterrupt on Ctrl-C, BlownUp if the run blew up for good."""
        choose(self.config)
        # Only a rollback can return to the start, and a full fine-tune's copy is large.
        goes_back = self.config.doctor.action == "rollback"
        fresh = copy.deepcopy(self.module.state_dict()) if goes_back else None
        while True:
            start = Start(**(self.place.load(LAST_STATE) or {}))
            if start.weights is None:
                if fresh:
                    self.module.load_state_dict(fresh)
                torch.manual_seed(self.config.seed)
                random.seed(self.config.seed)
            elif start.done:
                print(f"resuming after step {start.done} of {self.plan.batches}", file=sys.stderr)
            with suppress(TurnedBack):
                history = self._from(start)
                assert len(history.rows) == self.plan.batches, "the run did not follow its plan"
                return history
            last = Start(**(self.place.load(LAST_STATE) or {})).history["rollbacks"][-1]
            print(
                "the run blew up at step {}; going back to step {}, learning rates times {:g}".format(*last),
                file=sys.stderr,
            )

    def _from(self, start: Start) -> History:
        history = History.of_state(start.history)
        self.place.keep_only(start.files)
        self.data.done = start.done
        files = EpochFilesCallback(self.place.files, self.data, self.config, self.recipe, self.plan)
        keeper = CheckpointCallback(
            self.place, history, self.config, start, self.plan.batches, self.has_blown_up
        )
        trainer = lightning.Trainer(
            **trainer_options(self.config),
            logger=self.make_loggers(start.done),
            callbacks=[
                MetricsCallback(history, self.config.logging.every_steps),
                keeper,
                *self.make_callbacks(history),
                LogsCallback(history),
                ProgressCallback(history, self.plan.batches, start.done),
                files,
            ],
        )
        # The data module skips the steps of this epoch that are done.
        begin_at(trainer, start.done // self.plan.batches_per_epoch)
        try:
            with keeper.listening():
                trainer.fit(self.module, datamodule=self.data)
        except (Interrupted, SystemExit):  # Lightning raises SystemExit on a second Ctrl-C
            if trainer.is_global_zero:
                self._keep_partial(files, keeper.done)
            raise KeyboardInterrupt(self._left(keeper.done)) from None
        return history

    def _left(self, done: int) -> str:
        """What an interruption leaves, for the last line; empty if nothing."""
        if self.place.has_state:
            return "the last checkpoint is kept"
        return "the network so far is kept" if done else ""

    def _keep_partial(self, files: EpochFilesCallback, done: int) -> None:
        """Saves an interrupted run's network, with `partial` in the file's name."""
        if done == 0:
            return
        if self.place.has_state:
            print("to resume from the last checkpoint, run `dvc repro` or the same command", file=sys.stderr)
        if self.module.is_split:  # other processes may have stopped at another step or ended
            print(
                "no partial file is saved of split weights; the last checkpoint is kept",
                file=sys.stderr,
            )
            return
        stem = self.partial / f"{self.config.train.name}-partial-step{done:08}"
        files.write(stem, done, self.module)
        print(
            f"the network after {done} of {self.plan.batches} steps is in {stem}.safetensors",
            file=sys.stderr,
        )
