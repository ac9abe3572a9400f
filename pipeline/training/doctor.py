"""Diagnoses a run: what is wrong, in a sentence, and what to change. Pure: curves in, findings out.

The thresholds are practitioners', for Stable Diffusion's own bases. Embeddings settle at 0.08-0.13; 0.17-0.25
for long means that the pictures differ too much, over 0.3 that the run blew up. For LoRA and DreamBooth about
0.05 is ideal, over 0.15 underfitted, near 0 overfitted. Validation losses are compared with the base's own
loss on the same noise, so those checks hold for any base.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.training.history import HELD_OUT, SWAPPED, TRAIN, History, LossRow, mean_by_epoch
from pipeline.training.planning.forecast import TrainPlan
from pipeline.verdict.held_out_loss import HeldOutLoss, by_band

WINDOW = 50
"""Steps whose mean loss is used, because a single step's loss depends on its noise levels."""
CEILING = 0.3
"""A run whose loss stays above it learns nothing more."""
RISE = 2.5
"""Above this many times the base's loss a run has blown up."""
LEARNED, LITTLE = 0.02, 0.15
"""Fractions of the base's loss. If the loss on training pictures falls by less than the first, nothing was
learned; if the weights hardly moved, the second applies.
"""
MOVED = 0.1
"""Summed length of all updates over the weights' norm; 2 and more is usual."""
HEART, NEAR_ZERO, OFTEN = 0.25, 0.05, 300
"""Fractions of the base's loss on training pictures. Below the first the run has memorised them if one was
shown over OFTEN times (100-200 are usual), below the second in any case.
"""
OVERFITTING_RATIOS, TURN = 1.5, 1.1
"""Limits of held-out over training loss, relative to that ratio before training; of held-out loss over its
best.
"""
USUAL_STD = (0.3, 2.5)
"""Usual range of the latents' standard deviation; the VAE's scaling factor makes it about 1 (Rombach et al.
2022, arXiv 2112.10752, G).
"""
HELPS = 0.98
"""A picture's own caption should lower the base's loss to this fraction of the loss with another's, by the
geometric mean over noise levels: high levels, where losses are small, show it best.
"""


@dataclass(frozen=True)
class Finding:
    """`kind` never changes; sentence and advice are for people."""

    kind: str
    sentence: str
    advice: str


BLOWN_UP = Finding(
    "blown_up",
    "the run has blown up: the loss became NaN or stayed far above its beginning",
    "lower optimizer.lr, or use train.precision fp32 or bf16; doctor=rollback finds a rate by itself",
)


def has_blown_up(history: History) -> bool:
    """Whether a loss is not finite, or the last window's lower quartile is above both CEILING and RISE times
    the base's loss. In a healthy run a quarter of the steps have little to learn, and a small loss.
    """
    if history.is_broken():
        return True
    if any(not math.isfinite(norms.gradient_norm) for norms in history.norms[-1:]):
        return True
    last = sorted(row.loss for row in history.rows[-WINDOW:])
    return len(last) >= 10 and last[len(last) // 4] > max(CEILING, RISE * _base_loss(history))


def _base_loss(history: History) -> float:
    """The base's validation loss, or the first step's loss if nothing was measured."""
    return mean_by_epoch(history.measured, TRAIN).get(0, history.rows[0].loss)


def diagnosis(history: History, network: str, plan: TrainPlan, latents_deviation: float) -> list[Finding]:
    """The findings of a finished run; none for a healthy one."""
    findings = [*_latents(latents_deviation), *_rates(history)]
    if any(finding.kind == BLOWN_UP.kind for finding in findings):
        return findings
    return [*findings, *_fit(history, network, plan), *_captions(history)]


def _latents(deviation: float) -> list[Finding]:
    low, high = USUAL_STD
    if low <= deviation <= high:
        return []
    return [
        Finding(
            "latents_unusual",
            f"the latents' deviation is {deviation:.2g}, about 1 is usual: the VAE does not belong to the"
            " base, or its scaling factor is wrong",
            "set base.vae to null or to the VAE that the base was made with, and look whether the pictures"
            " are nearly blank",
        )
    ]


def _rates(history: History) -> list[Finding]:
    if has_blown_up(history):
        return [BLOWN_UP]
    train = mean_by_epoch(history.measured, TRAIN)
    if history.rollbacks:
        rate = history.rollbacks[-1].rate
        return [_too_high(f"the run blew up {len(history.rollbacks)} times; {rate:g} of the rates held")]
    if len(train) < 2:
        return []
    base, last = train[0], train[max(train)]
    if last > base:
        return [_too_high(f"the loss on training pictures rose from {base:.3g} to {last:.3g}")]
    moved = way(history)
    if last > (1 - LEARNED) * base or (moved < MOVED and last > (1 - LITTLE) * base):
        return [
            Finding(
                "rate_too_low",
                f"hardly anything was learned: the loss on training pictures fell from {base:.3g} to"
                f" {last:.3g}, the weights moved by {moved:.2g} of their norm",
                "raise optimizer.lr, three- to tenfold, or train for more epochs",
            )
        ]
    return []


def way(history: History) -> float:
    """|update| / |weights|, summed over the run; infinite if unknown."""
    norms, steps = history.norms, len(history.rows)
    known = [each.update_ratio for each in norms if math.isfinite(each.update_ratio)]
    return fmean(known) * steps if known else math.inf


def _too_high(what: str) -> Finding:
    return Finding("rate_too_high", f"the rate is too high: {what}", "lower optimizer.lr, three- to tenfold")


def _fit(history: History, network: str, plan: TrainPlan) -> list[Finding]:
    train, held = (mean_by_epoch(history.measured, side) for side in (TRAIN, HELD_OUT))
    most = max((concept.in_all / concept.pictures for concept in plan.concepts), default=0)
    left = train[max(train)] / train[0] if len(train) > 1 else 1.0
    if len(held) > 1:
        bands = by_band((each.side, each.epoch, each.timestep, each.loss) for each in history.measured)
        findings = (_risen(bands) if bands and bands.rise(max(held)) else _turned(held)) or _gap(train, held)
        if findings:
            return findings
    elif left < NEAR_ZERO or (left < HEART and most > OFTEN):
        return [
            _overfitted(
                f"the loss on training pictures is {left:.2f} of the base's: they are known by heart"
                f" (each was shown {most:.0f} times)"
            )
        ]
    return _level(fmean(row.loss for row in _last(history.rows)), network)


def _risen(bands: HeldOutLoss) -> list[Finding]:
    """Each noise level counts alike: the finest one's loss is ten times the others', and rises in a good
    run, too.
    """
    last = max(bands.held_out)
    rise = bands.rise(last)
    if rise is None or not bands.is_by_heart(last):
        return []
    return [
        _overfitted(
            f"the loss on held-out pictures was least after epoch {bands.best} and has risen by"
            f" {rise.mean:.0%}, the mean of {rise.number} noise levels, while that on training pictures fell"
        )
    ]


def _turned(held: dict[int, float]) -> list[Finding]:
    """With one noise level."""
    last, best = max(held), min(held, key=held.__getitem__)
    if held[last] <= TURN * held[best]:
        return []
    return [
        _overfitted(
            f"the loss on held-out pictures was least after epoch {best} ({held[best]:.3g}) and has"
            f" risen to {held[last]:.3g}"
        )
    ]


def _gap(train: dict[int, float], held: dict[int, float]) -> list[Finding]:
    last = max(held)
    gap, before = held[last] / train[last], held[0] / train[0]
    if gap > OVERFITTING_RATIOS * before and held[last] > (1 - LEARNED) * held[0]:
        return [
            _overfitted(
                f"the loss on held-out pictures is {gap:.2g} times that on training pictures, and no"
                " better than the base's"
            )
        ]
    return []


def _overfitted(what: str) -> Finding:
    return Finding(
        "overfitted",
        f"overfitted: {what}",
        "take an earlier epoch, train for fewer epochs or repeats, lower network.dim, or add pictures",
    )


def _level(loss: float, network: str) -> list[Finding]:
    """Judges the loss by practitioners' thresholds."""
    if network == "embedding":
        if loss > 0.17:
            return [
                Finding(
                    "too_varied",
                    f"the loss settled at {loss:.2f} (0.08-0.13 is usual): the pictures differ too much",
                    "look at the data: one outfit, one style, one subject a picture",
                )
            ]
    elif loss > 0.15:
        return [
            Finding(
                "underfitted",
                f"underfitted: the loss settled at {loss:.2f}; about 0.05 is ideal, 0.15 too much",
                "train for more epochs, raise optimizer.lr or network.dim, or look at the captions",
            )
        ]
    return []


def _captions(history: History) -> list[Finding]:
    """Compares the untrained base's losses with a picture's own caption and with another's."""
    own, swapped = (
        {each.timestep: each.loss for each in history.measured if each.side == side and each.epoch == 0}
        for side in (TRAIN, SWAPPED)
    )
    ratios = [math.log(own[timestep] / loss) for timestep, loss in swapped.items()]
    if not ratios or (ratio := math.exp(fmean(ratios))) < HELPS:
        return []
    return [
        Finding(
            "captions_do_not_fit",
            f"the captions do not fit the pictures: with its own caption the base finds a picture"
            f" no likelier than with another's (its loss is {ratio:.3f} times that)",
            "look at reports/dataset/index.html: captions lie with wrong pictures, or the data vary too much",
        )
    ]


def _last(rows: Sequence[LossRow]) -> Sequence[LossRow]:
    return rows[-WINDOW:]
