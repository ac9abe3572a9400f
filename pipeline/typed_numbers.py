"""Types of numbers on a command line (argparse's `type=`): they check the range, so that argparse reports a
wrong number with its option before any work.
"""

import argparse
from collections.abc import Callable
from math import inf, isfinite

from pipeline.errors import UserError

MOST_RANK = 1 << 16
"""More than the side of any layer."""
MOST_TYPED_COUNT = 1_000_000


def whole_number(least: int, most: int = MOST_TYPED_COUNT) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if not text.strip().lstrip("+-").isdecimal() or not least <= int(text[:40]) <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} must be a whole number from {least} to {most}")
        return int(text)

    return read


def above(limit: float, most: float = inf) -> Callable[[str], float]:
    """A reader of finite numbers above `limit`, up to `most`."""

    def read(text: str) -> float:
        number = number_in(text)
        if number is None or not isfinite(number) or not limit < number <= most:
            up_to = f", and at most {most:g}" if isfinite(most) else ""
            raise argparse.ArgumentTypeError(f"{text[:40]!r} must be a finite number above {limit:g}{up_to}")
        return number

    return read


def number_in(text: str) -> float | None:
    """The number in the text, also infinity and NaN; None if there is none."""
    try:
        return float(text)
    except ValueError:
        return None


def ratios_in(text: str, owner: str) -> float | list[float] | str:
    """A ratio, several of them (`0.5,1,...`), or the name of a preset. Raises UserError for numbers that are
    not finite.
    """
    read = [number_in(part.replace(".inf", "inf").replace(".nan", "nan")) for part in text.split(",")]
    if len(read) == 1 and read[0] is None and text.strip():
        return text.strip()
    numbers = [number for number in read if number is not None and isfinite(number)]
    if len(numbers) < len(read):
        raise UserError(
            f"{owner}: the ratio {text[:60]!r} must be a finite number, a list of them (`0.5,1,...`), or the"
            " name of a preset"
        )
    return numbers[0] if len(numbers) == 1 else numbers
