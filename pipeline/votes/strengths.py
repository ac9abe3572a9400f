"""Bradley-Terry: from who beat whom, each place's strength and how sure that is. Pure.

    P(i beats j) = 1 / (1 + exp(s_j - s_i))

A normal prior keeps the strengths of places with few votes near 0; a draw is half a win for both.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.votes.vote_file import Choice, Pair

PRIOR_SD = 1.5
"""Spread of strengths expected before any vote: a place one spread better wins 82% of its pairs."""
MOST_NEWTON_STEPS = 60
SURE = 1.96
"""Standard deviations to the ends of a 95% interval."""
MOST_VOTES_TO_GO = 200
"""Places that need more votes than this before one is surely better are as good as each other."""
SHARES: Mapping[Choice, float] = {"first": 1.0, "second": 0.0, "equal": 0.5, "neither": 0.5}
VoteResult = tuple[int, int, float]
"""Two places, and the share of the first: 1, 0 or a half."""


@dataclass(frozen=True)
class Strengths:
    """`values` and the covariance of their errors."""

    values: np.ndarray
    covariance: np.ndarray

    def interval(self, place: int) -> tuple[float, float]:
        far = SURE * math.sqrt(self.covariance[place, place])
        return float(self.values[place] - far), float(self.values[place] + far)

    def gap_variance(self, one: int, other: int) -> float:
        c = self.covariance
        return float(c[one, one] + c[other, other] - 2 * c[one, other])

    def is_sure(self, one: int, other: int) -> bool:
        """Whether the 95% interval of the gap excludes 0."""
        gap = float(self.values[one] - self.values[other])
        return gap > SURE * math.sqrt(self.gap_variance(one, other))

    def votes_to_go(self, one: int, other: int) -> int | None:
        """About how many more votes on this pair make the first surely better, if they fall as the strengths
        say; None if that is too many.
        """
        gap, variance = float(self.values[one] - self.values[other]), self.gap_variance(one, other)
        chance = 1 / (1 + math.exp(-gap))
        short = SURE**2 * variance - gap**2
        if short < 0:
            return 0
        gained = chance * (1 - chance) * variance * gap**2
        return math.ceil(short / gained) if gap > 0 and short <= MOST_VOTES_TO_GO * gained else None

    def worth(self, one: int, other: int) -> float:
        """What a vote on this pair would tell: most where the gap is unknown and the outcome open."""
        chance = 1 / (1 + math.exp(float(self.values[other] - self.values[one])))
        return self.gap_variance(one, other) * chance * (1 - chance)


def strengths(number: int, results: Sequence[VoteResult], prior_sd: float = PRIOR_SD) -> Strengths:
    """The most probable strengths (Newton's method; the posterior has one maximum)."""
    values = np.zeros(number)
    for _ in range(MOST_NEWTON_STEPS):
        slope, curve = -values / prior_sd**2, np.eye(number) / prior_sd**2
        for one, other, share in results:
            chance = 1 / (1 + math.exp(values[other] - values[one]))
            slope[one] += share - chance
            slope[other] -= share - chance
            weight = chance * (1 - chance)
            curve[[one, other], [one, other]] += weight
            curve[[one, other], [other, one]] -= weight
        step = np.linalg.solve(curve, slope)
        values += step
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return Strengths(values, np.linalg.inv(curve))


def strengths_by_votes(labels: Sequence[str], votes: Iterable[tuple[Pair, Choice]]) -> Strengths:
    """Of the places with these labels, which the votes name."""
    numbers = {label: number for number, label in enumerate(labels)}
    results = [(numbers[pair.first], numbers[pair.second], SHARES[choice]) for pair, choice in votes]
    return strengths(len(labels), results)
