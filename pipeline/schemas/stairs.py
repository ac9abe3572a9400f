"""A learning rate that falls in steps, as for textual inversion: `0.005:12000, 1e-4:18000, 1e-5`."""

from math import inf

from pipeline.number_text import NumberError, real_number, whole_number

MOST_STAIR_NUMBER = 10**12
"""Bound of rates and steps, far above any real one."""
Stair = tuple[float, float]
"""A rate, and the step (0-based) at which it ends; infinity for the last."""


def stairs_of(text: str) -> list[Stair]:
    """A rate holds for the steps before its number; one without a number holds to the end (AUTOMATIC1111
    modules/textual_inversion/learn_schedule.py). Raises ValueError for any other text.
    """
    entries = [entry.strip() for entry in text.split(",")]
    stairs = [_stair(entry) for entry in entries]
    ends = [end for _, end in stairs]
    if ends != sorted(set(ends)):
        raise ValueError("the steps must grow from rate to rate, and only the last rate may have none")
    return stairs


def _stair(entry: str) -> Stair:
    rate, colon, end = entry.partition(":")
    try:
        stair = (
            real_number(rate.strip(), -MOST_STAIR_NUMBER, MOST_STAIR_NUMBER),
            whole_number(end.strip(), -MOST_STAIR_NUMBER, MOST_STAIR_NUMBER) if colon else inf,
        )
    except NumberError:
        raise ValueError(f"{entry[:60]!r} is not RATE:STEP, as in `0.005:12000, 1e-4:18000, 1e-5`") from None
    if stair[0] < 0 or stair[1] <= 0:
        raise ValueError(f"{entry!r}: rate and step must be positive")
    return stair


def lr_at(stairs: list[Stair], step: int) -> float:
    """The rate of a step (0-based); after the last stair the last rate stays."""
    return next((rate for rate, end in stairs if step < end), stairs[-1][0])
