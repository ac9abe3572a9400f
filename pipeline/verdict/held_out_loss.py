"""The loss on held-out pictures by noise band: whether a network still learns what its pictures share, or the
pictures themselves.

    r = mean over bands of log(loss after the epoch / loss after the best epoch)

Every band counts alike: a mean of losses would be that of the band with the least noise, whose losses are
ten times the others'. A rise is sure where Student's one-sided 95 % bound of r over the bands lies above 0:
the noise and the pictures are the same at every epoch, so only the bands differ. A loss that rises in the
finest bands alone is usual, and no fault.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from statistics import fmean, stdev
from typing import Any

from pipeline.verdict.intervals import ConfidenceInterval, student_one_sided

_HELD_OUT, _TRAINING = "held_out", "train"
LEAST_RISE = 0.1
"""A smaller one is no matter, however sure."""
Bands = Mapping[int, float]
"""Loss by timestep."""


@dataclass(frozen=True)
class HeldOutLoss:
    """Losses by epoch, 0 the base alone, then by noise band (timestep)."""

    held_out: Mapping[int, Bands]
    training: Mapping[int, Bands]

    @property
    def best(self) -> int:
        """The epoch, after the base, with the least geometric mean over the bands."""
        return min((each for each in self.held_out if each), key=lambda epoch: _level(self.held_out[epoch]))

    def rise(self, epoch: int) -> ConfidenceInterval | None:
        """Of the held-out loss since the best epoch, as a fraction of it, over the bands; each end is a bound
        of 95 %. None if the epoch was not measured.
        """
        if epoch not in self.held_out:
            return None
        now, then = self.held_out[epoch], self.held_out[self.best]
        logs = [log(now[band] / then[band]) for band in now if band in then]
        if len(logs) < 2:
            return None
        mean, doubt = fmean(logs), student_one_sided(len(logs) - 1) * stdev(logs) / sqrt(len(logs))
        low, middle, high = (exp(each) - 1 for each in (mean - doubt, mean, mean + doubt))
        return ConfidenceInterval(middle, low, high, len(logs))

    def fall(self, epoch: int) -> float:
        """Of the loss on training pictures since the best epoch, as a fraction of it; 0 if not measured."""
        if epoch not in self.training or self.best not in self.training:
            return 0.0
        return 1 - exp(_level(self.training[epoch]) - _level(self.training[self.best]))

    def is_by_heart(self, epoch: int) -> bool:
        """Whether the held-out loss surely rises while that on training pictures falls."""
        rise = self.rise(epoch)
        return rise is not None and rise.low > 0 and rise.mean > LEAST_RISE and self.fall(epoch) > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"best": self.best, "epochs": {str(each): dict(self.held_out[each]) for each in self.held_out}}


def held_out_loss(rows: Iterable[Mapping[str, str]]) -> HeldOutLoss | None:
    """Of plots/train/validation.csv's rows; None where nothing was held out or a loss is not a number."""
    return by_band((row["side"], int(row["epoch"]), int(row["timestep"]), float(row["loss"])) for row in rows)


def by_band(measured: Iterable[tuple[str, int, int, float]]) -> HeldOutLoss | None:
    """Of sides, epochs, timesteps and losses; None where nothing was held out or a loss is not a number."""
    sides: dict[str, dict[int, dict[int, float]]] = {_HELD_OUT: {}, _TRAINING: {}}
    for side, epoch, timestep, loss in measured:
        if side in sides:
            if not (isfinite(loss) and loss > 0):
                return None
            sides[side].setdefault(epoch, {})[timestep] = loss
    held_out = sides[_HELD_OUT]
    return HeldOutLoss(held_out, sides[_TRAINING]) if any(held_out) else None


def _level(bands: Bands) -> float:
    return fmean(map(log, bands.values()))
