"""Values as users write them: `1-5 (+2)`, `0.2-1.0 [5]`, lists. Pure.

The notation is that of AUTOMATIC1111's X/Y/Z plot (AUTOMATIC1111/stable-diffusion-webui:
scripts/xyz_grid.py). A range includes both ends and never passes its end: 0-1 (+0.3) is 0, 0.3, 0.6, 0.9, and
5-1 (-1) ends with 1. Arithmetic is decimal: 0.2-1.0 [5] contains 0.6, not 0.6000000000000001.
"""

import csv
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from typing import TypeVar

from pipeline.errors import UserError

_T = TypeVar("_T", bound=Hashable)
RangeValues = str | int | float | list[str | int | float]
MOST_VALUES = 1000
"""Values of one range; more is a typing error."""

LONGEST = 100
"""Characters of a number or a range."""
MOST_RANGE_DIGITS = 19
"""Digits after the first and before the point, as in the largest seed."""

NUMBER_PATTERN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
SINGLE = re.compile(rf"[+-]?{NUMBER_PATTERN}(?:[eE][+-]?[0-9]+)?")
RANGE = re.compile(
    rf"(?P<start>[+-]?{NUMBER_PATTERN})\s*-\s*(?P<end>[+-]?{NUMBER_PATTERN})"
    rf"\s*(?:\(\s*(?P<sign>[+-]?)\s*(?P<step>{NUMBER_PATTERN})\s*\)|\[\s*(?P<count>[0-9]+)\s*\])?"
)
NOTATION = "write numbers as `1, 2.5`, ranges as `1-5`, `1-5 (+2)` or `0.2-1.0 [5]`"


def decimals(values: RangeValues) -> list[Decimal]:
    """Every number, in order. Raises UserError."""
    return [number for part in _parts(values) for number in _numbers(part)]


def reals(values: RangeValues) -> list[float]:
    """Numbers, each once. Raises UserError."""
    return _once([float(number) for number in decimals(values)])


def wholes(values: RangeValues) -> list[int]:
    """Whole numbers, each once. `[n]` gives the ones nearest to n even steps, halves away from zero. Raises
    UserError.
    """
    numbers = []
    for part in _parts(values):
        for number in _numbers(part):
            nearest = number.to_integral_value(ROUND_HALF_UP)
            if nearest != number and "[" not in part:
                raise UserError(f"{part!r} holds {number}, which is not a whole number")
            numbers.append(int(nearest))
    return _once(numbers)


def texts(values: RangeValues) -> list[str]:
    """Texts: a list's entries as they are; a string is split at its commas, except in quotes (`"a, b", c`).
    Raises UserError.
    """
    if isinstance(values, list):
        return _once([str(value) for value in values])
    try:
        first, *more = csv.reader(StringIO(str(values) or '""'), skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise UserError(
            f"{str(values)[:LONGEST]!r} cannot be split into texts ({error}); write a list"
        ) from None
    if more:
        raise UserError(f"{str(values)[:LONGEST]!r} has several lines; write a list of texts")
    return _once([text.strip() for text in first])


def texts_or_none(values: RangeValues) -> list[str]:
    """As `texts`; a list may hold an empty one."""
    if isinstance(values, list) and "" in values:
        texts([value for value in values if value != ""] or ["-"])
        if values.count("") > 1:
            raise UserError("the empty text is listed twice")
        return [str(value) for value in values]
    return texts(values)


def _parts(values: RangeValues) -> list[str]:
    parts = values.split(",") if isinstance(values, str) else values if isinstance(values, list) else [values]
    return [str(part).strip() for part in parts]


def _numbers(text: str) -> Iterator[Decimal]:
    if len(text) > LONGEST:
        raise UserError(f"{text[:LONGEST]!r} ... is neither a number nor a range; {NOTATION}")
    if SINGLE.fullmatch(text):
        if (number := Decimal(text)) and number.adjusted() > MOST_RANGE_DIGITS:
            raise UserError(f"{text!r} is larger than any value that can be drawn")
        yield number
    elif match := RANGE.fullmatch(text):
        start, end = Decimal(match["start"]), Decimal(match["end"])
        if match["count"]:
            yield from _evenly(start, end, int(match["count"]), text)
        else:
            yield from _by_step(start, end, match["step"], match["sign"], text)
    else:
        raise UserError(f"{text!r} is neither a number nor a range; {NOTATION}")


def _by_step(
    start: Decimal, end: Decimal, step: str | None, sign: str | None, text: str
) -> Iterator[Decimal]:
    """Without a sign the step leads from start to end, whichever is larger."""
    if step is None and not (start == int(start) and end == int(end)):
        raise UserError(f"{text!r} needs a step, as `{text} (+0.1)`, or a count, as `{text} [5]`")
    by = Decimal(step or 1).copy_sign(end - start)
    if not by:
        raise UserError(f"{text!r} has a step of 0; write another step")
    if sign and start != end and (sign == "-") != (end < start):
        raise UserError(
            f"{text!r}: the step goes away from the end; write ({'-' if sign == '+' else '+'}{step})"
        )
    count = int((end - start) / by) + 1
    _insist_on_few(count, text)
    yield from (start + index * by for index in range(count))


def _evenly(start: Decimal, end: Decimal, count: int, text: str) -> Iterator[Decimal]:
    if count < 2:
        raise UserError(f"{text!r}: a count is at least 2, for both ends")
    _insist_on_few(count, text)
    yield from (start + (end - start) * index / (count - 1) for index in range(count))


def _insist_on_few(count: int, text: str) -> None:
    if count > MOST_VALUES:
        raise UserError(f"{text!r} would be {count} values; at most {MOST_VALUES} are drawn")


def _once(values: list[_T]) -> list[_T]:
    if not values or "" in values:
        raise UserError("a value is empty; give at least one value, and no two commas in a row")
    if twice := [value for value, times in Counter(values).items() if times > 1]:
        raise UserError(f"{', '.join(map(str, twice))} is listed twice")
    return values
