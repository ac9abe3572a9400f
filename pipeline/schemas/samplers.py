"""Samplers by the names that users write, in any spelling, and diffusers' class for each.

The classes follow the table in diffusers' documentation (docs/source/en/api/schedulers/overview.md), except
for DPM++ SDE: DPMSolverSDEScheduler is k-diffusion's sampler of that name, with two calls of the denoiser a
step; DPMSolverSinglestepScheduler is not.

The samplers that AUTOMATIC1111 takes from k-diffusion work with each of its noise schedules
(pipeline/drawing/schedules.py): `dpmpp_2m` is uniform, `dpmpp_2m_karras` Karras.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from pipeline.errors import nearest

Options = dict[str, Any]
SDE: Options = {"algorithm_type": "sde-dpmsolver++"}
K_SAMPLERS: dict[str, tuple[str, str, Options]] = {
    "euler": ("Euler", "EulerDiscreteScheduler", {}),
    "euler_a": ("Euler a", "EulerAncestralDiscreteScheduler", {}),
    "heun": ("Heun", "HeunDiscreteScheduler", {}),
    "lms": ("LMS", "LMSDiscreteScheduler", {}),
    "dpmpp_2m": ("DPM++ 2M", "DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_sde": ("DPM++ 2M SDE", "DPMSolverMultistepScheduler", SDE),
    "dpmpp_sde": ("DPM++ SDE", "DPMSolverSDEScheduler", {}),
}
"""By our name: AUTOMATIC1111's (modules/sd_samplers_kdiffusion.py), diffusers' class, and its options that
differ from the base's configuration.
"""
TIMESTEP_SAMPLERS: dict[str, tuple[str, str, Options]] = {
    "ddim": ("DDIM", "DDIMScheduler", {}),
    "unipc": ("UniPC", "UniPCMultistepScheduler", {}),
}
"""The same for samplers whose steps are timesteps (modules/sd_samplers_timesteps.py): without schedules."""
UNIFORM = "uniform"
SCHEDULES: dict[str, tuple[str, Options]] = {
    UNIFORM: ("Uniform", {"timestep_spacing": "linspace"}),
    "karras": ("Karras", {"timestep_spacing": "linspace", "use_karras_sigmas": True}),
    "exponential": ("Exponential", {"timestep_spacing": "linspace", "use_exponential_sigmas": True}),
    "sgm_uniform": ("SGM Uniform", {"timestep_spacing": "trailing"}),
}
"""By our name: AUTOMATIC1111's (modules/sd_schedulers.py), and the closest options in diffusers."""
AUTOMATIC = {"dpmpp_2m": "karras", "dpmpp_sde": "karras", "dpmpp_2m_sde": "exponential"}
"""Schedules that A1111 1.9 and later use if none is named; uniform for the other samplers."""


def named(sampler: str, schedule: str) -> str:
    """Our name for the pair."""
    return sampler if schedule == UNIFORM else f"{sampler}_{schedule}"


SAMPLER_PARTS = {
    named(sampler, schedule): (sampler, schedule) for sampler in K_SAMPLERS for schedule in SCHEDULES
}
"""Sampler and schedule by the name of the pair."""
A1111_NAMES = {name: label for name, (label, _, _) in TIMESTEP_SAMPLERS.items()} | {
    name: " ".join([K_SAMPLERS[sampler][0], *([SCHEDULES[schedule][0]] if schedule != UNIFORM else [])])
    for name, (sampler, schedule) in SAMPLER_PARTS.items()
}
"""AUTOMATIC1111's names by ours."""
SCHEDULERS: dict[str, tuple[str, Options]] = {
    name: (kind, options) for name, (_, kind, options) in TIMESTEP_SAMPLERS.items()
} | {
    name: (K_SAMPLERS[sampler][1], K_SAMPLERS[sampler][2] | SCHEDULES[schedule][1])
    for name, (sampler, schedule) in SAMPLER_PARTS.items()
}
"""By our name: diffusers' class, and its options that differ from the base's configuration."""
FLOW_ORDERS = {"euler": 1, "heun": 2}
"""Samplers of rectified flows: calls of the denoiser in a step."""
FLOW_SCHEDULERS = {"euler": "FlowMatchEulerDiscreteScheduler", "heun": "FlowMatchHeunDiscreteScheduler"}
"""diffusers' class for each."""
SAMPLERS_OF = {"diffusion": frozenset(SCHEDULERS), "flow": frozenset(FLOW_ORDERS)}
"""The samplers that can draw with a denoiser, by its objective (pipeline/objectives)."""
USUAL_SAMPLER = {"diffusion": "ddim", "flow": "euler"}
"""Of pictures that training shows, by objective."""
ALIASES = {"eulerancestral": "euler_a"}
"""Other tools' names, as `_plain` leaves them."""


def _plain(text: str) -> str:
    """`DPM++ 2M Karras`, `dpmpp_2m_karras` and `k_dpmpp_2m_ka` are one name."""
    letters = re.sub(r"[\s_-]", "", text.lower().replace("+", "p")).removesuffix("sampler")
    return re.sub(r"^k(?=euler|heun|lms|dpm)", "", re.sub(r"(?<=[ms])ka$", "karras", letters))


_BY_PLAIN = {_plain(name): name for name in A1111_NAMES} | ALIASES


def sampler_name(text: str) -> str:
    """Our name for a user's. Raises ValueError for an unknown one, with the nearest."""
    if name := _BY_PLAIN.get(_plain(text)):
        return name
    raise ValueError(f"there is no such sampler; {nearest(text, A1111_NAMES.values())}")


def _checked(text: str) -> str:
    try:
        return sampler_name(text)
    except ValueError as error:
        raise PydanticCustomError("sampler", "{reason}", {"reason": str(error)}) from None


SamplerName = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "enum": [*A1111_NAMES, *A1111_NAMES.values()]}),
]
