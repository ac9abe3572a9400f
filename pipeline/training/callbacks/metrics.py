"""Records each step's loss, learning rates and norms without making the step wait."""

from collections.abc import Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from pipeline.networks.sharding import everywhere
from pipeline.training.data import Batch
from pipeline.training.history import History
from pipeline.training.module import Denoising
from pipeline.training.weight_by_weight import WeightByWeight

SECOND_ENCODER = "text_encoder_2"
MAX_COPIED = 50_000_000
"""Above this number of parameters no copy is made, and the update ratio is NaN."""


class MetricsCallback(Callback):
    """Losses and learning rates of every step; norms of every `every_steps`-th."""

    def __init__(self, history: History, every_steps: int) -> None:
        self.history, self.every_steps = history, every_steps
        self._rates: dict[str, float] = {}
        self._before: list[Tensor] = []
        self._gradient_norm: Tensor | None = None
        self._step = 0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._rates, self._step = lrs(trainer), batch.step

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: Tensor
    ) -> None:
        for optimizer in map(in_backward, trainer.optimizers):
            if optimizer and self._step % self.every_steps == 0:
                optimizer.watch_gradients()
                self._keep_weights(trainer)

    def on_before_optimizer_step(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        if self._step % self.every_steps == 0 and self._gradient_norm is None:
            if fused := in_backward(trainer.optimizers[0]):
                self._gradient_norm = fused.gradient_norm()
                return
            gradients = [p.grad for p in learning_parameters(trainer) if p.grad is not None]
            self._gradient_norm = everywhere(torch.nn.utils.get_total_norm(gradients))
            self._keep_weights(trainer)

    def _keep_weights(self, trainer: lightning.Trainer) -> None:
        learning = learning_parameters(trainer)
        on_one_device = len({p.device for p in learning}) == 1  # not with blocks in the machine's memory
        if on_one_device and sum(p.numel() for p in learning) <= MAX_COPIED:
            self._before = [p.detach().clone() for p in learning]

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        assert isinstance(pl_module, Denoising)
        # Lightning has divided this loss by the batches of a full update.
        loss = (outputs["loss"] if isinstance(outputs, dict) else outputs).detach()
        loss = loss * trainer.accumulate_grad_batches / pl_module.window_factor(batch_idx)
        if pl_module.settings.train.prior_form == "two_means":
            loss = loss / batch.weight.mean().to(loss)  # a sum of two means; record the mean
        rates = rates_of_row(self._rates, pl_module.text_encoder_rests)
        self.history.waiting.append((batch.step, trainer.current_epoch, loss, rates))
        if self._gradient_norm is not None:
            ratio = self._update_ratio(trainer).to(self._gradient_norm)
            self.history.waiting_norms.append((batch.step, torch.stack([self._gradient_norm, ratio])))
            self._gradient_norm, self._before = None, []

    @torch.no_grad()
    def _update_ratio(self, trainer: lightning.Trainer) -> Tensor:
        """|change of the weights| / |weights|."""
        assert self._gradient_norm is not None
        if not self._before:
            return self._gradient_norm.new_full((), float("nan"))
        after = [p.detach() for p in learning_parameters(trainer)]
        change = torch._foreach_sub(after, self._before)
        return everywhere(torch.nn.utils.get_total_norm(change) / torch.nn.utils.get_total_norm(self._before))


def learning_parameters(trainer: lightning.Trainer) -> list[torch.nn.Parameter]:
    return [
        p for optimizer in trainer.optimizers for group in optimizer.param_groups for p in group["params"]
    ]


def in_backward(optimizer: torch.optim.Optimizer) -> WeightByWeight | None:
    """The optimiser if it updates weights in the backward pass, whose gradients are gone before its step."""
    return optimizer if isinstance(optimizer, WeightByWeight) and optimizer.is_fused else None


def rates_of_row(by_part: Mapping[str, float], texts_rest: bool) -> tuple[float, ...]:
    """The learning rates of a `LossRow`; the second text encoder's only if it learns."""
    second = [by_part[SECOND_ENCODER]] if SECOND_ENCODER in by_part else []
    texts = [by_part.get("text_encoder", 0.0), *second]
    return by_part.get("unet", 0.0), *(0.0 if texts_rest else rate for rate in texts)


def lrs(trainer: lightning.Trainer) -> dict[str, float]:
    """Learning rate by part, without the factors of blocks."""
    return {
        group["name"]: float(group["lr"]) / group.get("rate_factor", 1.0)
        for optimizer in trainer.optimizers
        for group in optimizer.param_groups
    }
