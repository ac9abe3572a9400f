"""Samplers by the names that users write, in any spelling; which class stands behind each is
pipeline/sampling/samplers.py.
"""

import re
from typing import Annotated

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
