"""Means of measures of pictures, with 95 % intervals by bootstrap (Efron 1979), and paired differences.

Chance is in the seeds: a resampling draws each prompt's pictures with replacement among its own seeds, so the
prompts stay as they were asked. With one seed a prompt it draws among all pictures, that is, over the
prompts; of yes and no it always does. Plain percentiles are too narrow for a few seeds: deviations are
widened by the root of n / (n - 1), and by Student's quantile where values are not yes or no.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
Z, Z_ONE_SIDED = 1.959964, 1.644854
"""Of the normal distribution, at LEVEL."""
PictureValues = NDArray[np.float64]
"""[pictures]; NaN where the measure does not apply."""


@dataclass(frozen=True)
class ConfidenceInterval:
    """A mean, and where it may lie. `number`: the pictures that it comes from."""

    mean: float
    low: float
    high: float
    number: int

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON: an end that nothing bounds is None."""
        ends = {name: round(getattr(self, name), 4) for name in ("mean", "low", "high")}
        return {name: each if isfinite(each) else None for name, each in ends.items()} | {"n": self.number}


def interval(
    values: PictureValues, prompts: Sequence[int], is_share: bool = False
) -> ConfidenceInterval | None:
    """Of the mean; None without values. `prompts`: each picture's prompt. A share lies in 0..1 and is often
    the same in all pictures, and sixteen of sixteen would leave no doubt. Of yes and no, a picture that has
    it and one that lacks it are added before the resampling (Agresti and Coull 1998). Of a picture's several
    tags, the sum over all pictures may be off by the root of two tags (standard deviation).
    """
    return _interval(values, prompts, (0.0, 1.0) if is_share else ())


def difference(
    one: PictureValues, two: PictureValues, prompts: Sequence[int], is_share: bool = False
) -> ConfidenceInterval | None:
    """Of the mean of one - two, picture by picture: of the same prompt and seed."""
    return _interval(one - two, prompts, (-1.0, 1.0) if is_share else ())


def _interval(
    values: PictureValues, prompts: Sequence[int], ends: Sequence[float]
) -> ConfidenceInterval | None:
    """`ends`: of a share, the least and the most that a picture can have."""
    known = ~np.isnan(values)
    kept = values[known]
    if not len(kept):
        return None
    mean = float(kept.mean())
    added = ends if np.isin(kept, (-1, 0, 1)).all() else ()
    strata = [np.array([*kept, *added])] if added else _strata(kept, np.asarray(prompts)[known])
    number = sum(len(each) for each in strata)
    if number < 2:
        return ConfidenceInterval(mean, -np.inf, np.inf, len(kept))
    chance = np.random.default_rng(0)
    draws = sum(_deviations(each, chance) * (len(each) / number) for each in strata)
    if ends and not added:
        draws = draws + chance.normal(0, sqrt(2) * _tag(kept) / number, DRAWS)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    wider = 1.0 if added else student(number - len(strata)) / Z
    centre = sum(float(each.sum()) for each in strata) / number
    least, most = ends or (-np.inf, np.inf)
    return ConfidenceInterval(
        mean,
        max(least, min(mean, centre + wider * float(low))),
        min(most, max(mean, centre + wider * float(high))),
        len(kept),
    )


def _tag(values: PictureValues) -> float:
    """What one tag is in a picture's share: the smallest step between values; 1 if there is none."""
    steps = np.diff(np.unique(np.round(values, 6)))
    return float(steps.min()) if len(steps) else 1.0


def _strata(values: PictureValues, prompts: NDArray[np.int64]) -> list[PictureValues]:
    """Values by prompt; all together where a prompt has but one."""
    each = [values[prompts == prompt] for prompt in np.unique(prompts)]
    return each if min(map(len, each)) > 1 else [values]


def _deviations(values: PictureValues, chance: np.random.Generator) -> PictureValues:
    """[DRAWS] means of resampled values, less their own mean; as wide as an unbiased variance says."""
    number = len(values)
    drawn: PictureValues = values[chance.integers(0, number, (DRAWS, number))].mean(axis=1) - values.mean()
    return drawn * sqrt(number / (number - 1))


def student(freedom: int) -> float:
    """Student's two-sided 95 % quantile (Abramowitz and Stegun 1964, 26.7.5): 0.12 % too small at 3 degrees
    of freedom, less from there on.
    """
    return _student(freedom, Z, (12.7062, 4.3027))


def student_one_sided(freedom: int) -> float:
    """Student's one-sided 95 % quantile, as exact."""
    return _student(freedom, Z_ONE_SIDED, (6.3138, 2.9200))


def _student(freedom: int, z: float, first: tuple[float, float]) -> float:
    """`z`: the normal distribution's quantile; `first`: those of one and two degrees of freedom."""
    if freedom < 3:
        return first[1] if freedom == 2 else first[0]
    n = float(freedom)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n ** (power + 1) for power, term in enumerate(terms))
