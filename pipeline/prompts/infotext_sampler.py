"""Sampler and noise schedule in an infotext, as AUTOMATIC1111 1.9 and later write and read them
(modules/sd_samplers.py, get_sampler_and_scheduler; modules/sd_samplers_kdiffusion.py, get_sigmas).

    Sampler: DPM++ 2M, Schedule type: Karras

Without `Schedule type`, the sampler's name may hold the schedule (`DPM++ 2M Karras`); else the version
decides: 1.9 and later use `Automatic`, which is Karras or exponential for DPM++; older ones, and our files,
uniform.
"""

import re
from collections.abc import Mapping

from pipeline.errors import UserError, nearest
from pipeline.schemas.samplers import (
    AUTOMATIC,
    K_SAMPLERS,
    SAMPLER_PARTS,
    SCHEDULES,
    UNIFORM,
    named,
    sampler_name,
)

SAMPLER_KEYS, SCHEDULE = "Sampler", "Schedule type"
_SAME = {"polyexponential": "exponential", "normal": UNIFORM}
"""A1111's schedules with the sigmas of one of ours: polyexponential with its default rho (1), and normal,
which computes uniform in another way.
"""
_BY_LABEL = {label.lower(): name for name, (label, _) in SCHEDULES.items()} | {"sgmuniform": "sgm_uniform"}


def sampler_of(values: Mapping[str, str]) -> str:
    """Our name for an infotext's sampler and schedule. Raises ValueError for an unknown sampler, UserError
    for one that cannot be drawn.
    """
    sampler, in_name = _split(values[SAMPLER_KEYS])
    named_apart = values.get(SCHEDULE)
    if sampler not in K_SAMPLERS:
        _refuse_another_second_pass(values, sampler, None)
        return sampler
    if named_apart is None and in_name is None and _version(values) >= (1, 9):
        named_apart = "Automatic"
    schedule = _schedule(named_apart, sampler) if named_apart and in_name is None else in_name or UNIFORM
    _refuse_another_second_pass(values, sampler, schedule)
    return named(sampler, schedule)


def _split(text: str) -> tuple[str, str | None]:
    """Sampler, and the schedule if its name contains one."""
    for label in sorted([*_BY_LABEL, *_SAME], key=len, reverse=True):
        if text.lower().endswith(f" {label}"):
            sampler = sampler_name(text[: -len(label) - 1])
            if sampler not in K_SAMPLERS:
                raise ValueError(f"{text[: -len(label) - 1]!r} takes no noise schedule; drop {label!r}")
            return sampler, _schedule(label, sampler)
    sampler, schedule = SAMPLER_PARTS.get(name := sampler_name(text), (name, UNIFORM))
    return sampler, schedule if schedule != UNIFORM else None


def _schedule(text: str, sampler: str) -> str:
    label = text.strip().lower()
    if label == "automatic":
        return AUTOMATIC.get(sampler, UNIFORM)
    label = _SAME.get(label, label)
    if label in SCHEDULES or label in _BY_LABEL:
        return _BY_LABEL.get(label, label)
    drawn = [label for label, _ in SCHEDULES.values()]
    raise UserError(
        f"the infotext's schedule type is {text!r}, which is not supported here ({nearest(text, drawn)});"
        " the picture would differ"
    )


def _version(values: Mapping[str, str]) -> tuple[int, int]:
    """A1111's version, or the one that a fork is based on (`f2.0.1v1.10.1-previous`)."""
    match = re.search(r"(?:^|v)([0-9]{1,4})\.([0-9]{1,4})", values.get("Version", ""))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _refuse_another_second_pass(values: Mapping[str, str], sampler: str, schedule: str | None) -> None:
    """Our second pass always uses the first one's sampler; `schedule` is None if the sampler has none."""
    label, another = values.get("Hires sampler"), values.get("Hires schedule type")
    same = label in (None, "Use same sampler") or _split(label) in ((sampler, None), (sampler, schedule))
    same_schedule = another in (None, "Use same scheduler") or schedule in (None, _schedule(another, sampler))
    if not (same and same_schedule):
        raise UserError(
            f"the infotext's second pass has the sampler {label or 'of the first'!r} and the schedule"
            f" {another or 'of the first'!r}; here both passes have the same"
        )
