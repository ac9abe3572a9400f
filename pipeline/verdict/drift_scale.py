"""What a drift is compared with: how far the base's own pictures of unrelated prompts lie from each other.

A drift is a distance between features of an encoder, which says nothing by itself. Two distances between the
base's own pictures give it a scale: of one prompt at two seeds, which is the same thing drawn otherwise, and
of two prompts, which is another thing. Drift is strong above the first, if it is also more than half of the
second: the picture is then nearer to something else than to what the base draws. Both are asked for because a
prompt that says everything leaves seeds little to change, and then any drift is above the first.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DriftScale:
    """Mean distances between the base's own pictures. seed: of one prompt and two seeds; prompt: of two
    prompts; None where nothing was drawn that shows it.
    """

    seed: float | None
    prompt: float | None

    @property
    def strong(self) -> float | None:
        """The drift from which a picture counts as another one; None with one picture alone."""
        known = [self.seed, None if self.prompt is None else self.prompt / 2]
        return max((each for each in known if each is not None), default=None)

    def as_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return asdict(self) | {"strong": None if self.strong is None else round(self.strong, 5)}


def drift_scale(distances: NDArray[np.float64], prompts: Sequence[int]) -> DriftScale:
    """`distances`: [pictures, pictures], of one way to draw; `prompts`: each picture's prompt."""
    numbers = np.asarray(prompts)
    is_same = numbers[:, None] == numbers
    is_pair = np.triu(np.ones_like(is_same), 1)
    return DriftScale(_mean(distances[is_pair & is_same]), _mean(distances[is_pair & ~is_same]))


def _mean(values: NDArray[np.float64]) -> float | None:
    return round(float(values.mean()), 5) if len(values) else None


def mean_scale(scales: Sequence[DriftScale]) -> DriftScale | None:
    """Of several ways to draw; None without any."""
    if not scales:
        return None
    seeds, prompts = [each.seed for each in scales], [each.prompt for each in scales]
    return DriftScale(
        *(_mean(np.array([each for each in some if each is not None])) for some in (seeds, prompts))
    )
