"""Saves and restores everything a training carries from step to step: weights, optimisers, schedules, the
loss scaler, random generators.

Pictures, captions, noise and timesteps are not part of it: they follow from the seed and the step.
"""

import random
from typing import Any

import lightning
import torch
from torch import Tensor

from pipeline.networks.sharding import split_like, split_state, whole


def saved_state(trainer: lightning.Trainer, module: lightning.LightningModule) -> dict[str, Any]:
    """Plain values and tensors, between two updates. The tensors are the training's own: save or clone them
    at once. If weights are split, all processes must call this; the leading one gets them whole.
    """
    extra: dict[str, Any] = {}
    module.on_save_checkpoint(extra)
    return {
        "module": whole(dict(module.state_dict())),
        "extra": whole(extra),
        "optimizers": [whole(optimizer.state_dict()) for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "precision": trainer.precision_plugin.state_dict(),
        "random": random_state(),
    }


def load_state(state: dict[str, Any], trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
    """Restores all but the random generators, which are set just before the first step."""
    ours = module.state_dict()
    module.load_state_dict(
        {name: split_like(value, ours.get(name)) for name, value in state["module"].items()}
    )
    module.on_load_checkpoint(state["extra"])
    for optimizer, values in zip(trainer.optimizers, state["optimizers"], strict=True):
        own = split_state(values, optimizer)
        optimizer.load_state_dict(own)
        _keep_types(optimizer, own)
    for config, values in zip(trainer.lr_scheduler_configs, state["schedulers"], strict=True):
        config.scheduler.load_state_dict(values)
    trainer.precision_plugin.load_state_dict(state["precision"])


def _keep_types(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Puts back the exact numbers that torch has rounded to the weights' type: Adafactor's running means are
    in float32 also where weights have 16 bits.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, values in saved.get("state", {}).items():
        state = optimizer.state[weights[number]]
        for name, value in values.items():
            if isinstance(value, Tensor) and value.dtype != state[name].dtype:
                state[name] = value.to(state[name].device)


def slow_down(trainer: lightning.Trainer, rate: float) -> None:
    """Multiplies every learning rate by `rate`, from here to the end of the run."""
    if rate == 1.0:
        return
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] *= rate
            group["initial_lr"] *= rate
    for config in trainer.lr_scheduler_configs:
        config.scheduler.base_lrs = [lr * rate for lr in config.scheduler.base_lrs]


def random_state() -> dict[str, Any]:
    """The states of Python's and torch's global generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
