"""Losses on held-out pictures by noise band, on numbers by hand."""

from math import exp, log, sqrt

import pytest

from pipeline.verdict.held_out_loss import HeldOutLoss, held_out_loss

BANDS = (100, 300, 500)


def losses(training: float = 0.5, **held_out: tuple[float, ...]) -> HeldOutLoss:
    """By epoch; the loss on training pictures falls to `training` of it at each."""
    epochs = {int(name[1:]): dict(zip(BANDS, each, strict=True)) for name, each in held_out.items()}
    own = {epoch: dict.fromkeys(BANDS, training**number) for number, epoch in enumerate(epochs)}
    return HeldOutLoss(epochs, own)


def test_a_rise_by_hand() -> None:
    found = losses(e0=(1.0, 1.0, 1.0), e1=(0.4, 0.2, 0.1), e2=(0.8, 0.3, 0.12))
    assert found.best == 1
    rise = found.rise(2)
    assert rise is not None
    logs = [log(2), log(1.5), log(1.2)]
    mean = sum(logs) / 3
    spread = sqrt(sum((each - mean) ** 2 for each in logs) / 2)
    doubt = 2.92 * spread / sqrt(3)  # Student's one-sided quantile of two degrees of freedom
    assert rise.number == 3
    assert rise.mean == pytest.approx(3.6 ** (1 / 3) - 1)
    assert rise.low == pytest.approx(exp(mean - doubt) - 1)
    assert rise.high == pytest.approx(exp(mean + doubt) - 1)
    assert found.fall(2) == pytest.approx(0.5)
    assert not found.is_by_heart(2)  # the doubt of three bands this unequal is larger than the rise
    assert rise.low < 0


def test_every_band_counts_alike_not_the_finest_alone() -> None:
    found = losses(e0=(1.0, 1.0, 1.0), e1=(0.4, 0.04, 0.02), e2=(0.41, 0.02, 0.01))
    assert found.best == 2  # the mean of losses is least after epoch 1


def test_learned_by_heart_needs_a_sure_rise_of_a_tenth_and_training_losses_that_fall() -> None:
    good = (0.4, 0.2, 0.1)
    by_heart = losses(e0=(1.0, 1.0, 1.0), e1=good, e2=(0.52, 0.26, 0.131))
    assert by_heart.is_by_heart(2)
    assert not by_heart.is_by_heart(1)
    assert not by_heart.is_by_heart(7)  # not measured
    assert not losses(e0=(1.0, 1.0, 1.0), e1=good, e2=(0.42, 0.21, 0.1051)).is_by_heart(2)
    rising = losses(1.5, e0=(1.0, 1.0, 1.0), e1=good, e2=(0.52, 0.26, 0.131))
    assert not rising.is_by_heart(2)
    uneven = losses(e0=(1.0, 1.0, 1.0), e1=good, e2=(1.2, 0.2, 0.1))  # the finest band alone
    assert not uneven.is_by_heart(2)


def test_rows_of_the_curve_are_read_by_side_and_epoch() -> None:
    rows = [
        {"step": "0", "epoch": "0", "side": "held_out", "timestep": "100", "loss": "0.5"},
        {"step": "0", "epoch": "0", "side": "swapped", "timestep": "100", "loss": "0.9"},
        {"step": "9", "epoch": "3", "side": "held_out", "timestep": "100", "loss": "0.25"},
        {"step": "9", "epoch": "3", "side": "train", "timestep": "100", "loss": "0.125"},
    ]
    found = held_out_loss(rows)
    assert found == HeldOutLoss({0: {100: 0.5}, 3: {100: 0.25}}, {3: {100: 0.125}})
    assert found.as_dict() == {"best": 3, "epochs": {"0": {100: 0.5}, "3": {100: 0.25}}}
    assert found.rise(3) is None  # one band has no interval


@pytest.mark.parametrize("loss", ["nan", "inf", "0"])
def test_a_loss_that_is_no_number_says_nothing(loss: str) -> None:
    row = {"epoch": "1", "side": "held_out", "timestep": "100", "loss": "0.5"}
    assert held_out_loss([row]) is not None
    assert held_out_loss([row, {**row, "epoch": "2", "loss": loss}]) is None


def test_nothing_held_out_or_the_base_alone_says_nothing() -> None:
    row = {"epoch": "0", "side": "held_out", "timestep": "100", "loss": "0.5"}
    assert held_out_loss([row]) is None
    assert held_out_loss([{**row, "epoch": "4", "side": "train"}]) is None
    assert held_out_loss([]) is None
