"""Prunes trials whose validation loss lags (Optuna's median pruner)."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.sweep.jobs import SweepJob

STARTUP_TRIALS = 3
"""Trials that run to the end before any is pruned."""
WARMUP_EPOCHS = 2
"""No trial is pruned before this epoch: the curve's start is mostly the warm-up of the learning rate."""
CURVE = "logs/*/validation.csv"


class Pruning:
    """Watches the validation curve that the training writes after each measured epoch."""

    def __init__(self, job: SweepJob) -> None:
        import optuna

        assert job.trial is not None
        self._job, self._reported = job, set[int]()
        study = optuna.load_study(study_name=job.trial.study, storage=job.trial.storage)
        self._trial: Any = optuna.Trial(study, job.trial.id)
        self._pruner = optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP_EPOCHS)
        self._study, self._sign = study, 1.0 if job.trial.minimize else -1.0

    def pruned_epoch(self) -> int | None:
        """The epoch after which the trial should stop; None while it should continue."""
        for epoch, loss in sorted(self._curve().items()):
            if epoch and epoch not in self._reported:
                self._reported.add(epoch)
                # The pruner uses the study's direction; a smaller loss is better.
                self._trial.report(self._sign * loss, epoch)
                frozen = self._study._storage.get_trial(self._trial._trial_id)
                if self._pruner.prune(self._study, frozen):
                    return epoch
        return None

    def _curve(self) -> Mapping[int, float]:
        for path in self._job.worktree.glob(CURVE):
            return mean_by_epoch(path)
        return {}


def mean_by_epoch(path: Path) -> dict[int, float]:
    """Mean loss over noise levels after each epoch: of held-out pictures, or of training pictures without
    those.
    """
    rows = list(csv.DictReader(path.read_text().splitlines()))
    side = "held_out" if any(row["side"] == "held_out" for row in rows) else "train"
    losses: dict[int, list[float]] = {}
    for row in rows:
        if row["side"] == side:
            losses.setdefault(int(row["epoch"]), []).append(float(row["loss"]))
    return {epoch: sum(each) / len(each) for epoch, each in losses.items()}
