"""Numbers that are typed on a command line: read and held against their range in one place, by argparse's
`type=`, so that a wrong one is told with its option before any work.
"""

import argparse
from collections.abc import Callable
from math import inf, isfinite

from pipeline.errors import UserError

MOST_RANK = 1 << 16
"""More than any layer's sides."""
MOST_COUNT = 1_000_000


def whole_number(least: int, most: int = MOST_COUNT) -> Callable[[str], int]:
    """Reads a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.strip().lstrip("+-").isdecimal() or not least <= int(text[:40]) <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} must be a whole number from {least} to {most}")
        return int(text)

    return read


def above(limit: float, most: float = inf) -> Callable[[str], float]:
    """Reads a finite number above `limit`, `most` at most."""

    def read(text: str) -> float:
        number = number_in(text)
        if number is None or not isfinite(number) or not limit < number <= most:
            up_to = f", and at most {most:g}" if isfinite(most) else ""
            raise argparse.ArgumentTypeError(f"{text[:40]!r} must be a finite number above {limit:g}{up_to}")
        return number

    return read


def number_in(text: str) -> float | None:
    """The number that the text spells, infinity and NaN among them; None where it spells none."""
    try:
        return float(text)
    except ValueError:
        return None


def ratios_in(text: str, whose: str) -> float | list[float] | str:
    """A ratio, several of them (`0.5,1,...`), or the name of a preset. What is no finite number is a user
    error.
    """
    read = [number_in(part.replace(".inf", "inf").replace(".nan", "nan")) for part in text.split(",")]
    if len(read) == 1 and read[0] is None and text.strip():
        return text.strip()
    numbers = [number for number in read if number is not None and isfinite(number)]
    if len(numbers) < len(read):
        raise UserError(
            f"{whose}: the ratio {text[:60]!r} must be a finite number, a list of them (`0.5,1,...`), or the"
            " name of a preset"
        )
    return numbers[0] if len(numbers) == 1 else numbers
