"""Samplers by the names that users know, as diffusers' schedulers."""

from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)

SAMPLERS: dict[str, type[SchedulerMixin]] = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler_a": EulerAncestralDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "unipc": UniPCMultistepScheduler,
}


def make_sampler(name: str, scheduler_config: dict[str, Any]) -> Any:  # schedulers share no typed interface
    """A fresh scheduler on the base's own noise schedule."""
    return SAMPLERS[name].from_config(scheduler_config, clip_sample=False)  # type: ignore[attr-defined]
