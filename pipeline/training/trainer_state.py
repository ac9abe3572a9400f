"""Two things that Lightning has no call for: starting at a later epoch, and asking a module that may have no
trainer.

Uses only public attributes of Lightning's objects; tests/pipeline/training/test_trainer_state.py shows what
breaks when they change.
"""

from lightning import LightningModule, Trainer
from torch.optim import Optimizer

EPOCH_COUNTS = ("ready", "started", "processed", "completed")
"""The points of an epoch at which Lightning counts it."""


def begin_at(trainer: Trainer, epochs: int) -> None:
    """Makes the next `fit` start after so many epochs."""
    for name in EPOCH_COUNTS:
        setattr(trainer.fit_loop.epoch_progress.current, name, epochs)


def optimizers_of(module: LightningModule) -> list[Optimizer]:
    """The optimisers of the module's trainer; none without a trainer."""
    try:
        return module.trainer.optimizers
    except RuntimeError:  # raised by Lightning if there is no trainer
        return []
