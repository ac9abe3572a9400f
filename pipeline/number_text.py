"""Reads numbers in text from unknown sources: ASCII digits as tools write them, within bounds.

Python's own functions accept `2_0`, digits of every script and `infinity`, and answer 5000 digits with an
error about Python's limits.
"""

import re

MOST_NUMBER_CHARACTERS = 40
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class NumberError(ValueError):
    """What was found, and what is allowed."""


def whole_number(text: str, least: int, most: int) -> int:
    """`20`, `-1`. Raises NumberError."""
    if (
        len(text) <= MOST_NUMBER_CHARACTERS
        and WHOLE_NUMBER.fullmatch(text)
        and least <= (number := int(text)) <= most
    ):
        return number
    raise NumberError(f"{_shown(text)} is not a whole number from {least} to {most}")


def real_number(text: str, least: float, most: float) -> float:
    """`7`, `7.5`, `1e-4`. Raises NumberError."""
    if (
        len(text) <= MOST_NUMBER_CHARACTERS
        and REAL.fullmatch(text)
        and least <= (number := float(text)) <= most
    ):
        return number
    raise NumberError(f"{_shown(text)} is not a number from {least:g} to {most:g}")


def is_index(text: str) -> bool:
    """Whether the text is an index of a list: `0`, `12`."""
    return len(text) < MOST_NUMBER_CHARACTERS and text.isascii() and text.isdecimal()


def index_in(text: str, limit: int) -> int | None:
    """The index below `limit` that the text is; else None."""
    return number if is_index(text) and (number := int(text)) < limit else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= MOST_NUMBER_CHARACTERS else f"{text[:MOST_NUMBER_CHARACTERS]}...")
