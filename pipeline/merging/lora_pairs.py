"""Arithmetic on the factors of one module, to combine, resize and extract LoRA files; pure functions.

A module's change of its weight is `up @ down`, with alpha / dim in `up`: up [out, r], down [r, in k k].
Products are never formed (pipeline/networks/low_rank.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.networks.low_rank import largest_singular, singular_of_product

ZERO = 1e-6
"""A change with a largest singular value below this counts as nothing: rank 1 is kept (kohya-ss/sd-scripts
networks/resize_lora.py, MIN_SV).
"""
RankRule = Callable[[Tensor], int]
"""Rank to keep, from the singular values in descending order."""


@dataclass(frozen=True)
class LoraPair:
    """float32 factors of a module's change."""

    up: Tensor
    down: Tensor

    @property
    def rank(self) -> int:
        return len(self.down)

    def delta(self) -> Tensor:
        """[out, in k k]."""
        return self.up @ self.down


def concatenated(pairs: Sequence[LoraPair], ratios: Sequence[float]) -> LoraPair:
    """Their exact weighted sum; its rank is the sum of ranks."""
    ups = [pair.up * ratio for pair, ratio in zip(pairs, ratios, strict=True)]
    return LoraPair(torch.cat(ups, 1), torch.cat([pair.down for pair in pairs]))


def truncated(pair: LoraPair, rule: RankRule) -> tuple[LoraPair, float]:
    """The best pair of the rank that `rule` chooses, and its relative error in the Frobenius norm."""
    whole = singular_of_product(pair.up, pair.down)
    s = whole.s
    keep = 1 if not len(s) or s[0] < ZERO else max(1, min(rule(s), len(s)))
    up, down = whole.factors(keep)
    error = float((s[keep:].square().sum() / s.square().sum()).sqrt()) if s[0] >= ZERO else 0.0
    return LoraPair(up.float(), down.float()), error


def approximated(delta: Tensor, dim: int) -> tuple[LoraPair, float]:
    """The nearest pair of rank `dim` to a whole change [out, in k k], and its relative error."""
    norm = float(delta.double().norm())
    largest = largest_singular(delta, dim)
    left = max(norm**2 - float(largest.s[:dim].double().square().sum()), 0.0)
    return LoraPair(*largest.factors(dim)), left**0.5 / norm if norm else 0.0


def fixed(rank: int) -> RankRule:
    return lambda _: rank


def by_ratio(ratio: float) -> RankRule:
    """Keeps values above the largest divided by `ratio` (sv_ratio)."""
    return lambda s: int((s > s[0] / ratio).sum())


def by_frobenius(fraction: float) -> RankRule:
    """The fewest values with `fraction` of the Frobenius norm: cumulative squares reach its square
    (sv_fro).
    """
    return lambda s: _fewest(s.square(), fraction**2)


def by_sum(fraction: float) -> RankRule:
    """The fewest values with `fraction` of the sum (sv_cumulative)."""
    return lambda s: _fewest(s, fraction)


def _fewest(values: Tensor, fraction: float) -> int:
    reached = values.cumsum(0) / values.sum()
    return int((reached < fraction - 1e-12).sum()) + 1


RULES: dict[str, Callable[[float], RankRule]] = {
    "ratio": by_ratio,
    "frobenius": by_frobenius,
    "cumulative": by_sum,
}
"""The rules of kohya-ss/sd-scripts networks/resize_lora.py, which keep one rank too many there."""


def insist_on_fraction(by: str, share: float) -> None:
    """A fraction is of the whole; a ratio is the largest value over others. Raises UserError if it is out of
    range.
    """
    if by == "ratio" and share < 1:
        raise UserError(
            f"--share {share:g}: with --by ratio it must be at least 1 (the largest value / others)"
        )
    if by != "ratio" and share > 1:
        raise UserError(f"--share {share:g}: with --by {by} it must be above 0 and at most 1")
