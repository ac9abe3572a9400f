"""The product of those of many factors that are switched on, kept up to date in few multiplications each."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from math import prod

FEW = 64
"""Factors up to which they are multiplied in their order; beyond, in a tree, which rounds otherwise."""


class Products:
    """Over `factors`, of which all are off at first."""

    def __init__(self, factors: Sequence[float]) -> None:
        self.factors = factors
        self.on: list[int] = []
        self.leaves = 1 << max(0, len(factors) - 1).bit_length()
        self.tree = [1.0] * (2 * self.leaves)

    def switch(self, place: int, on: bool) -> None:
        """A factor that begins and ends at once (an empty bracket) is switched on, then off."""
        if on:
            insort(self.on, place)
        else:
            del self.on[bisect_left(self.on, place)]
        node = self.leaves + place
        self.tree[node] = self.factors[place] if on else 1.0
        while node > 1:
            node //= 2
            self.tree[node] = self.tree[2 * node] * self.tree[2 * node + 1]

    def product(self) -> float:
        if len(self.on) > FEW:
            return self.tree[1]
        return prod((self.factors[place] for place in self.on), start=1.0)
