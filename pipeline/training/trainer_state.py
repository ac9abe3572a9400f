"""What Lightning has no call for: to begin at an epoch, and to ask a module that may have no trainer.

Only public attributes of Lightning's objects are touched; tests/pipeline/training/test_trainer_state.py says
what breaks when they change.
"""

from lightning import LightningModule, Trainer
from torch.optim import Optimizer

COUNTS = ("ready", "started", "processed", "completed")
"""Epochs that Lightning counts as it passes these points of each."""


def begin_at(trainer: Trainer, epochs: int) -> None:
    """Has the next `fit` take so many epochs as done."""
    for name in COUNTS:
        setattr(trainer.fit_loop.epoch_progress.current, name, epochs)


def optimizers_of(module: LightningModule) -> list[Optimizer]:
    """Those of the module's trainer; none of a module that no trainer holds."""
    try:
        return module.trainer.optimizers
    except RuntimeError:  # Lightning's answer where there is no trainer
        return []
