"""A plain training loop that can be killed at any moment: state goes to disk, and each step's randomness
comes from its number.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from tqdm import tqdm

STATE = Path(__file__).parent / ".state"
SAVE_EVERY_STEPS = 250

Loss = Callable[[int, torch.Generator], torch.Tensor]


def train(
    name: str, module: torch.nn.Module, loss: Loss, *, steps: int, lr: float, ema_decay: float = 0.999
) -> None:
    """Trains `module` in place and leaves it with its averaged weights.

    `loss(step, generator)` gives the loss of one step; warm-up takes 200 steps, then the rate falls as a
    cosine to 2%.
    """
    parameters = list(module.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-4, fused=True)
    ema = EMAModel(parameters, decay=ema_decay)
    path = STATE / f"{name}.pt"
    start = _resume(path, module, optimizer, ema)
    bar = tqdm(range(start, steps), desc=name, initial=start, total=steps, mininterval=10)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = lr * rate_factor(step, steps)
        value = loss(step, torch.Generator().manual_seed(step))
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(parameters)
        if step % 50 == 0:
            bar.set_postfix(loss=f"{value.item():.4f}")
        if (step + 1) % SAVE_EVERY_STEPS == 0:
            _save(path, step + 1, module, optimizer, ema)
    _save(path, steps, module, optimizer, ema)
    ema.copy_to(parameters)


def rate_factor(step: int, steps: int, warmup_steps: int = 200) -> float:
    """Share of the full rate at `step`."""
    progress = min(1.0, step / steps)
    return min(1.0, (step + 1) / warmup_steps) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def _save(
    path: Path, step: int, module: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: EMAModel
) -> None:
    path.parent.mkdir(exist_ok=True)
    state = {
        "step": step,
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "ema": ema.state_dict(),
    }
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def _resume(path: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: EMAModel) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    ema.load_state_dict(state["ema"])
    return int(state["step"])
