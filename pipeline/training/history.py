"""A run's losses, rates, norms, validation losses and rollbacks so far. Plain numbers, saved in checkpoints:
a resumed run has the same curves as one that was never interrupted.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import torch
from torch import Tensor

TRAIN, HELD_OUT, SWAPPED = "train", "held_out", "swapped"


@dataclass(frozen=True)
class LossRow:
    """A point of the loss curve. text_encoder_2_lr: None if no second text encoder learns."""

    step: int
    epoch: int
    loss: float
    lr: float
    text_encoder_lr: float
    text_encoder_2_lr: float | None = None


@dataclass(frozen=True)
class Norms:
    """A step's gradient norm before clipping, and |update| / |weights|."""

    step: int
    gradient_norm: float
    update_ratio: float


@dataclass(frozen=True)
class Measured:
    """Mean squared error on fixed noise after `step` steps. `side`: train, held_out, or swapped (training
    pictures, each with another's caption).
    """

    step: int
    epoch: int
    side: str
    timestep: int
    loss: float


@dataclass(frozen=True)
class Rollback:
    """The run blew up at `step` and went back to `to_step`; from there learning rates are `rate` times the
    configured ones.
    """

    step: int
    to_step: int
    rate: float


@dataclass
class History:
    """`waiting` holds numbers that are still on the device, so that no step waits for a transfer: each step's
    number, epoch, loss and learning rates, in the order of `LossRow`.
    """

    rows: list[LossRow] = field(default_factory=list)
    norms: list[Norms] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    rollbacks: list[Rollback] = field(default_factory=list)
    waiting: list[tuple[int, int, Tensor, tuple[float, ...]]] = field(default_factory=list)
    waiting_norms: list[tuple[int, Tensor]] = field(default_factory=list)

    def settle(self, mean_over_devices: Callable[[Tensor], Tensor]) -> None:
        """Copies the waiting numbers from the device, one transfer for losses and one for norms."""
        if self.waiting:
            losses = mean_over_devices(torch.stack([each[2] for each in self.waiting])).tolist()
            self.rows += [
                LossRow(step, epoch, loss, *rates)
                for (step, epoch, _, rates), loss in zip(self.waiting, losses, strict=True)
            ]
            self.waiting = []
        if self.waiting_norms:
            pairs = torch.stack([pair for _, pair in self.waiting_norms]).tolist()
            steps = [step for step, _ in self.waiting_norms]
            self.norms += [Norms(step, *pair) for step, pair in zip(steps, pairs, strict=True)]
            self.waiting_norms = []

    def is_broken(self) -> bool:
        """Whether a loss is NaN or infinite."""
        return not all(math.isfinite(row.loss) for row in self.rows)

    def state(self) -> dict[str, Any]:
        """Everything but the waiting numbers, as lists of numbers and text."""
        lists: dict[str, Sequence[LossRow | Norms | Measured | Rollback]] = {
            "rows": self.rows,
            "norms": self.norms,
            "measured": self.measured,
            "rollbacks": self.rollbacks,
        }
        return {name: [list(astuple(each)) for each in values] for name, values in lists.items()}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "History":
        return cls(
            [LossRow(*values) for values in state["rows"]],
            [Norms(*values) for values in state["norms"]],
            [Measured(*values) for values in state["measured"]],
            [Rollback(*values) for values in state["rollbacks"]],
        )


def best_epoch(measured: Sequence[Measured]) -> dict[str, float | int]:
    """Held-out loss, a mean over noise levels, of the base, the best epoch and the last; the gap is the best
    epoch's held-out loss over its training loss. Smaller is better. Empty without held-out pictures.
    """
    scores = mean_by_epoch(measured, HELD_OUT)
    after = {epoch: score for epoch, score in scores.items() if epoch}
    if not after:
        return {}
    best = min(after, key=lambda epoch: (after[epoch], epoch))
    return {
        "best_epoch": best,
        "validation_loss": round(after[best], 6),
        "validation_loss_base": round(scores[0], 6),
        "validation_loss_last": round(after[max(after)], 6),
        "validation_gap": round(after[best] / mean_by_epoch(measured, TRAIN)[best], 4),
    }


def mean_by_epoch(measured: Sequence[Measured], side: str) -> dict[int, float]:
    """Mean loss over noise levels by epoch; epoch 0 is the base alone."""
    by_epoch: dict[int, list[float]] = {}
    for each in measured:
        if each.side == side:
            by_epoch.setdefault(each.epoch, []).append(each.loss)
    return {epoch: sum(losses) / len(losses) for epoch, losses in by_epoch.items()}
