"""One training from its start, or from where it was stopped, to its end."""

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

from pipeline.config.schemas import Config
from pipeline.training.callbacks.checkpoints import Interrupted, Keeper, Start, TurnedBack
from pipeline.training.callbacks.epoch_files import EpochFiles
from pipeline.training.callbacks.logs import Logs
from pipeline.training.callbacks.metrics import Recorder
from pipeline.training.callbacks.progress import TrainingProgress
from pipeline.training.data import EncodedData
from pipeline.training.history import History
from pipeline.training.module import Denoising, trainer_options
from pipeline.training.planning.forecast import Plan
from pipeline.training.run_folder import LAST, Workplace
from pipeline.training.trainer_state import begin_at

PACKAGES = ("torch", "diffusers", "transformers", "lightning", "safetensors")
WITHOUT_EFFECT = {"resume", "logging"}
"""Groups that the result does not depend on."""


def recipe(config: Config, inputs: dict[str, str | None]) -> str:
    """Everything that the result follows from: the inputs' hashes, the settings, the packages' versions."""
    packages = {name: version(name) for name in PACKAGES}
    params = {group: values for group, values in config.identity().items() if group not in WITHOUT_EFFECT}
    return json.dumps({"inputs": inputs, "params": params, "packages": packages}, sort_keys=True)


@dataclass
class Session:
    """`make_loggers` and `make_callbacks` are asked anew whenever the run starts, goes on or goes back; the
    former is given the steps that are done.
    """

    config: Config
    module: Denoising
    data: EncodedData
    place: Workplace
    recipe: str
    plan: Plan
    has_blown_up: Callable[[History], bool]
    make_loggers: Callable[[int], list[Logger]]
    make_callbacks: Callable[[History], Sequence[Callback]]
    partial: Path
    """Folder for what an interrupted run had trained."""

    def run(self) -> History:
        """Trains to the end; Ctrl-C is a KeyboardInterrupt, a run that cannot be saved a BlownUp."""
        # Only a run that goes back comes to its start again, and a whole checkpoint is large.
        goes_back = self.config.doctor.action == "rollback"
        fresh = copy.deepcopy(self.module.state_dict()) if goes_back else None
        while True:
            start = Start(**(self.place.load(LAST) or {}))
            if start.weights is None:
                if fresh:
                    self.module.load_state_dict(fresh)
                torch.manual_seed(self.config.seed)
                random.seed(self.config.seed)
            elif start.done:
                print(f"carrying on after step {start.done} of {self.plan.batches}", file=sys.stderr)
            with suppress(TurnedBack):
                history = self._from(start)
                assert len(history.rows) == self.plan.batches, "the run did not keep to its plan"
                return history
            last = Start(**(self.place.load(LAST) or {})).history["rollbacks"][-1]
            print(
                "the run had blown up at step {}; back to step {}, rates times {:g}".format(*last),
                file=sys.stderr,
            )

    def _from(self, start: Start) -> History:
        history = History.of_state(start.history)
        self.place.keep_only(start.files)
        self.data.done = start.done
        files = EpochFiles(self.place.files, self.data, self.config, self.recipe, self.plan)
        keeper = Keeper(self.place, history, self.config, start, self.plan.batches, self.has_blown_up)
        trainer = lightning.Trainer(
            **trainer_options(self.config),
            logger=self.make_loggers(start.done),
            callbacks=[
                Recorder(history, self.config.logging.every_steps),
                keeper,
                *self.make_callbacks(history),
                Logs(history),
                TrainingProgress(history, self.plan.batches, start.done),
                files,
            ],
        )
        # The data skip what is done of this epoch.
        begin_at(trainer, start.done // self.plan.batches_per_epoch)
        try:
            with keeper.listening():
                trainer.fit(self.module, datamodule=self.data)
        except (Interrupted, SystemExit):  # the latter: Lightning's answer to a second Ctrl-C
            if trainer.is_global_zero:
                self._keep_partial(files, keeper.done)
            raise KeyboardInterrupt from None
        return history

    def _keep_partial(self, files: EpochFiles, done: int) -> None:
        """What an interrupted run had trained, as a file that says so in its name."""
        if done == 0:
            return
        if (self.place.folder / LAST).exists():
            print("`dvc repro`, or the same command, carries on from the last checkpoint", file=sys.stderr)
        if self.module.is_split:  # the others may have stopped at another step, or be gone
            print(
                "of weights that are split no partial file is made; the last checkpoint stays",
                file=sys.stderr,
            )
            return
        stem = self.partial / f"{self.config.train.name}-partial-step{done:08}"
        files.write(stem, done, self.module)
        print(
            f"what was trained in {done} of {self.plan.batches} steps lies in {stem}.safetensors",
            file=sys.stderr,
        )
