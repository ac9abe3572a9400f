"""Seeds of random number generators, and arithmetic that stays in their range."""

MOST_SEED = (1 << 64) - 1
"""The largest seed that torch accepts."""


def folded(number: int) -> int:
    """The number as a seed: numbers above the largest one wrap around to 0."""
    return number % (MOST_SEED + 1)
