"""Everything a training carries from one step to the next, taken and put back: weights, optimisers,
schedules, the loss scaler, random generators.

The order of pictures, captions, noise and timesteps is not among it: they follow from the seed and the step.
"""

import random
from typing import Any

import lightning
import torch

from pipeline.networks.sharding import split_like, split_state, whole


def taken(trainer: lightning.Trainer, module: lightning.LightningModule) -> dict[str, Any]:
    """Plain values and tensors, at the border of two updates. The tensors are the training's own: save or
    clone them at once. Where weights are split all processes must ask; the one that leads has the whole.
    """
    beside: dict[str, Any] = {}
    module.on_save_checkpoint(beside)
    return {
        "module": whole(dict(module.state_dict())),
        "beside": whole(beside),
        "optimizers": [whole(optimizer.state_dict()) for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "precision": trainer.precision_plugin.state_dict(),
        "random": random_state(),
    }


def put_back(state: dict[str, Any], trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
    """All but the random generators: those are set last, just before the first step."""
    ours = module.state_dict()
    module.load_state_dict(
        {name: split_like(value, ours.get(name)) for name, value in state["module"].items()}
    )
    module.on_load_checkpoint(state["beside"])
    for optimizer, values in zip(trainer.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(split_state(values, optimizer))
    for config, values in zip(trainer.lr_scheduler_configs, state["schedulers"], strict=True):
        config.scheduler.load_state_dict(values)
    trainer.precision_plugin.load_state_dict(state["precision"])


def slow_down(trainer: lightning.Trainer, rate: float) -> None:
    """From here to the end every rate is `rate` times what the schedule says."""
    if rate == 1.0:
        return
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] *= rate
            group["initial_lr"] *= rate
    for config in trainer.lr_scheduler_configs:
        config.scheduler.base_lrs = [lr * rate for lr in config.scheduler.base_lrs]


def random_state() -> dict[str, Any]:
    """Of Python's and torch's global generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
