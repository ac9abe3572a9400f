"""Logs of a run: TensorBoard, Weights & Biases. They contain times and hosts, so they are not outputs."""

from dataclasses import astuple, fields
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from pipeline.errors import UserError
from pipeline.files.atomic import write_csv
from pipeline.schemas import Config
from pipeline.training.data import Batch
from pipeline.training.history import History, Measured


def keeps_logs(config: Config) -> bool:
    """Whether any log is on."""
    return config.logging.tensorboard or config.logging.wandb_project is not None


def make_logs(config: Config, folder: Path, done: int) -> list[Logger]:
    """The loggers that are on. Steps from `done` on replace those of an interrupted run."""
    made: list[Logger] = []
    if config.logging.tensorboard:
        made.append(TensorBoardLogger(folder, name="", version="", purge_step=done))
    if config.logging.wandb_project:
        made.append(_wandb(config.logging.wandb_project, config.train.name, folder))
    for logger in made:
        logger.log_hyperparams(config.values())
    return made


def _wandb(project: str, name: str, folder: Path) -> Logger:
    from importlib.util import find_spec

    if find_spec("wandb") is None:
        raise UserError(
            f"logging.wandb_project is {project}, but wandb is not installed; `pip install wandb`,"
            " or set logging.wandb_project to null"
        )
    from lightning.pytorch.loggers import WandbLogger

    folder.mkdir(parents=True, exist_ok=True)
    return WandbLogger(project=project, name=name, save_dir=folder)


class LogsCallback(Callback):
    """Sends new numbers of the history to the loggers, once they are off the device."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.sent = [len(history.rows), len(history.norms), len(history.measured)]

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._send(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._send(trainer)

    def _send(self, trainer: lightning.Trainer) -> None:
        history = self.history
        rows, norms, measured = self.sent
        for row in history.rows[rows:]:
            values = {"loss": row.loss, "rate/unet": row.lr, "rate/text_encoder": row.text_encoder_lr}
            if row.text_encoder_2_lr is not None:
                values["rate/text_encoder_2"] = row.text_encoder_2_lr
            self._log(trainer, values, row.step)
        for norm in history.norms[norms:]:
            values = {"norm/gradient": norm.gradient_norm, "norm/update_ratio": norm.update_ratio}
            self._log(trainer, values, norm.step)
        for each in history.measured[measured:]:
            self._log(trainer, {f"measured/{each.side}/{each.timestep}": each.loss}, each.step)
        self.sent = [len(history.rows), len(history.norms), len(history.measured)]

    @staticmethod
    def _log(trainer: lightning.Trainer, values: dict[str, float], step: int) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(values, step)


class LiveMetricsCallback(Callback):
    """Writes the validation losses so far to the logs' `validation.csv`, to watch a run."""

    def __init__(self, history: History, folder: Path) -> None:
        self.history, self.path = history, folder / "validation.csv"

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and self.history.measured:
            names = [field.name for field in fields(Measured)]
            write_csv(self.path, names, [astuple(each) for each in self.history.measured])
