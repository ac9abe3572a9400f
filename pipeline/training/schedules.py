"""Learning-rate schedules, as factors of the full rate. Pure."""

import math

from pipeline.schemas import ScheduleConfig
from pipeline.schemas.stairs import lr_at, stairs_of


def warmup_steps(config: ScheduleConfig, total_steps: int) -> int:
    """Number of warm-up steps."""
    if config.warmup_steps is not None:
        return config.warmup_steps
    return round(total_steps * config.warmup_percent / 100)


def lr_factor(step: int, total_steps: int, config: ScheduleConfig, rate: float = 1.0) -> float:
    """Factor at `step` (0-based): a linear warm-up, then the schedule's shape to the last step. `rate`: the
    full rate, which divides a staircase's rates.
    """
    rise = warmup_steps(config, total_steps)
    stair = lr_at(stairs_of(config.staircase), step) / rate if config.staircase else 1.0
    if step < rise:
        return stair * (step + 1) / (rise + 1)
    progress = (step - rise) / max(1, total_steps - rise)
    return stair * (config.min_ratio + (1 - config.min_ratio) * _shape(min(progress, 1.0), config))


def _shape(progress: float, config: ScheduleConfig) -> float:
    """From 1 at progress 0; the formulas of diffusers.optimization."""
    if config.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if config.name == "cosine_with_restarts":
        turn = config.cycles * progress % 1.0 if progress < 1 else 1.0
        return 0.5 * (1 + math.cos(math.pi * turn))
    if config.name == "polynomial":
        return float((1 - progress) ** config.power)
    return 1 - progress if config.name == "linear" else 1.0
