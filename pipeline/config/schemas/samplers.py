"""Samplers by the names that users write, in any spelling, and which of diffusers' classes stands behind
each.

That follows the table in diffusers' documentation (docs/source/en/api/schedulers/overview.md), but for
DPM++ SDE: DPMSolverSDEScheduler is k-diffusion's sampler of that name, with two calls of the denoiser a step,
which DPMSolverSinglestepScheduler is not.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from pipeline.errors import nearest

LABELS = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "lms": "LMS",
    "lms_karras": "LMS Karras",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_karras": "DPM++ 2M SDE Karras",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_karras": "DPM++ SDE Karras",
    "unipc": "UniPC",
}
"""AUTOMATIC1111's names (modules/sd_samplers_kdiffusion.py, sd_samplers_timesteps.py), which infotexts
carry, by ours.
"""
KARRAS = {"use_karras_sigmas": True}
SDE = {"algorithm_type": "sde-dpmsolver++"}
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "lms_karras": ("LMSDiscreteScheduler", KARRAS),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", KARRAS),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", SDE),
    "dpmpp_2m_sde_karras": ("DPMSolverMultistepScheduler", SDE | KARRAS),
    "dpmpp_sde": ("DPMSolverSDEScheduler", {}),
    "dpmpp_sde_karras": ("DPMSolverSDEScheduler", KARRAS),
    "unipc": ("UniPCMultistepScheduler", {}),
}
"""By our name: diffusers' class, and what differs from the base's own configuration."""
ALIASES = {"eulerancestral": "euler_a"}
"""Other tools' names, as `_plain` leaves them."""


def _plain(text: str) -> str:
    """`DPM++ 2M Karras`, `dpmpp_2m_karras` and `k_dpmpp_2m_ka` are one name."""
    letters = re.sub(r"[\s_-]", "", text.lower().replace("+", "p")).removesuffix("sampler")
    return re.sub(r"^k(?=euler|heun|lms|dpm)", "", re.sub(r"(?<=[ms])ka$", "karras", letters))


_BY_PLAIN = {_plain(name): name for name in LABELS} | ALIASES


def sampler_name(text: str) -> str:
    """Our name for a user's; raises ValueError for one that is unknown, with the nearest."""
    if name := _BY_PLAIN.get(_plain(text)):
        return name
    raise ValueError(f"no sampler of that name; {nearest(text, LABELS.values())}")


def _checked(text: str) -> str:
    try:
        return sampler_name(text)
    except ValueError as error:
        raise PydanticCustomError("sampler", "{reason}", {"reason": str(error)}) from None


Sampler = Annotated[
    str, AfterValidator(_checked), WithJsonSchema({"type": "string", "enum": [*LABELS, *LABELS.values()]})
]
