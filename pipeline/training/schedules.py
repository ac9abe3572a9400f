"""The learning rate over a run, as a factor of the full rate. Pure."""

import math

from pipeline.config.schemas import Schedule


def rate_factor(step: int, total_steps: int, config: Schedule) -> float:
    """Factor at `step` (0-based): a linear rise over the warm-up, then the schedule's shape down to the last
    step.
    """
    warmup_steps = round(total_steps * config.warmup_percent / 100)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    if config.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - progress if config.name == "linear" else 1.0
