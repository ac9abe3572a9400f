"""Seeds: what a generator of random numbers takes, and sums and products that stay among them."""

MOST_SEED = (1 << 64) - 1
"""The largest that torch takes."""


def folded(number: int) -> int:
    """Itself where it is a seed; what lies beyond the last seed begins again at 0."""
    return number % (MOST_SEED + 1)
