"""Curves made by hand, each with one thing wrong."""

import pytest

from pipeline.training.doctor import diagnosis, has_blown_up, way
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.history import HELD_OUT, SWAPPED, TRAIN, History, LossRow, Measured, Norms, Rollback
from pipeline.training.planning.forecast import make_plan

PLAN = make_plan(
    [("a", EpochPicture(1, False, (64, 64)))] * 10, held_out=0, epochs=10, batch=1, accumulation=1
)


def history(
    losses: list[float],
    train: tuple[float, ...] = (),
    held_out: tuple[float, ...] = (),
    swapped: float | None = None,
) -> History:
    """`train`, `held_out`: measured before, and after each epoch."""
    made = History([LossRow(step, 0, loss, 1e-4, 0.0) for step, loss in enumerate(losses)])
    made.measured = [Measured(0, epoch, TRAIN, 500, loss) for epoch, loss in enumerate(train)]
    made.measured += [Measured(0, epoch, HELD_OUT, 500, loss) for epoch, loss in enumerate(held_out)]
    if swapped:
        made.measured.append(Measured(0, 0, SWAPPED, 500, swapped))
    return made


def kinds(made: History, network: str = "lora") -> list[str]:
    return [finding.kind for finding in diagnosis(made, network, PLAN, 0.9)]


FLAT = [0.1] * 200


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (history(FLAT), []),
        (history([0.1] * 100 + [0.05] * 100, (0.1, 0.07, 0.06), (0.11, 0.09, 0.085), 0.12), []),
        (history([0.1] * 20 + [float("nan")] * 5), ["blown_up"]),
        (history([0.1] * 50 + [1.2] * 60), ["blown_up"]),
        # Blown up from the second step on: what was measured before says so.
        (history([0.2] + [1.1] * 60, (0.14, 1.0)), ["blown_up"]),
        (history(FLAT, (0.10, 0.12)), ["rate_too_high"]),
        (history(FLAT, (0.10, 0.0995)), ["rate_too_low"]),
        (history(FLAT, (0.10, 0.004)), ["overfitted"]),
        (history(FLAT, (0.10, 0.02)), []),
        # Held out: least after the second epoch, then a fifth higher.
        (history(FLAT, (0.10, 0.08, 0.06, 0.05), (0.11, 0.10, 0.09, 0.108)), ["overfitted"]),
        # Twice the training loss and no better than the base.
        (history(FLAT, (0.10, 0.05), (0.11, 0.11)), ["overfitted"]),
        # Known by heart, yet better on pictures never seen: nothing is wrong.
        (history(FLAT, (0.10, 0.004), (0.11, 0.06)), []),
        (history([0.2] * 200), ["underfitted"]),
        (history(FLAT, (0.10, 0.08), (), 0.1), ["captions_do_not_fit"]),
        (history(FLAT, (0.10, 0.08), (), 0.105), []),
    ],
)  # fmt: skip
def test_findings(made: History, wanted: list[str]) -> None:
    assert kinds(made) == wanted


@pytest.mark.parametrize(("deviation", "found"), [(0.18, True), (0.6, False), (1.2, False), (5.5, True)])
def test_latents_that_lack_their_scaling_factor_are_named(deviation: float, found: bool) -> None:
    """Without the factor of 0.18215 the deviation is about 5.5, with it twice 0.18."""
    said = diagnosis(history(FLAT), "lora", PLAN, deviation)
    assert [finding.kind for finding in said] == ["latents_unusual"] * found


def test_an_embedding_has_thresholds_of_its_own() -> None:
    assert kinds(history([0.12] * 200), "embedding") == []
    assert kinds(history([0.2] * 200), "embedding") == ["too_varied"]
    assert kinds(history([0.12] * 50 + [0.4] * 60), "embedding") == ["blown_up"]


def test_single_high_losses_are_no_trouble() -> None:
    assert not has_blown_up(history([0.1, 0.9] * 5 + [0.05, 0.8, 0.05, 0.05] * 20))


def test_a_base_that_knows_nothing_yet_is_no_trouble() -> None:
    assert not has_blown_up(history([1.1] * 100, (1.05,)))


def test_captions_are_compared_at_each_level() -> None:
    """At low noise, where losses are large, captions tell little; at high noise much."""
    made = history(FLAT, (0.1, 0.08))
    made.measured += [Measured(0, 0, TRAIN, 900, 0.004), Measured(0, 1, TRAIN, 900, 0.003)]
    for at_high_noise, wanted in ((0.005, []), (0.004, ["captions_do_not_fit"])):
        swapped = [Measured(0, 0, SWAPPED, 500, 0.1), Measured(0, 0, SWAPPED, 900, at_high_noise)]
        both = History(made.rows, [], [*made.measured, *swapped])
        assert kinds(both) == wanted


def test_a_gradient_that_is_no_number_is_trouble() -> None:
    made = history(FLAT)
    made.norms = [Norms(199, float("inf"), 0.1)]
    assert has_blown_up(made)


def test_what_is_shown_hundreds_of_times_is_known_by_heart_sooner() -> None:
    shown = [("a", EpochPicture(1, False, (64, 64)))] * 4
    long = make_plan(shown, held_out=0, epochs=400, batch=4, accumulation=1)
    (finding,) = diagnosis(history(FLAT, (0.10, 0.02)), "lora", long, 0.9)
    assert finding.kind == "overfitted"
    assert "each was shown 400 times" in finding.sentence


def test_weights_that_hardly_moved_explain_a_small_fall() -> None:
    for ratio, wanted in ((0.01, []), (0.0004, ["rate_too_low"])):
        made = history(FLAT, (0.10, 0.09))
        made.norms = [Norms(step, 1.0, ratio) for step in range(0, 200, 10)]
        assert way(made) == pytest.approx(200 * ratio)
        assert kinds(made) == wanted


def test_every_sentence_says_what_and_what_to_do() -> None:
    made = history(FLAT, (0.1, 0.08))
    made.rollbacks = [Rollback(50, 0, 0.1)]
    (finding,) = diagnosis(made, "lora", PLAN, 0.9)
    assert finding.kind == "rate_too_high"
    assert "blew up 1 times; 0.1 of the rates held" in finding.sentence
    assert "lower optimizer.lr" in finding.advice


def test_a_loss_that_rises_in_the_finest_noise_alone_is_no_overfitting() -> None:
    """Its loss is ten times the others', and so rules their mean."""
    good, finest = (0.5, 0.1, 0.05), (0.8, 0.095, 0.048)
    assert kinds(of_bands(good, finest)) == []
    every = tuple(1.3 * loss for loss in good)
    [found] = diagnosis(of_bands(good, every), "lora", PLAN, 0.9)
    assert found.kind == "overfitted"
    assert "least after epoch 1 and has risen by 30%, the mean of 3 noise levels" in found.sentence


def of_bands(first: tuple[float, ...], second: tuple[float, ...]) -> History:
    """Held-out losses by noise level after two epochs, the base's above both; training losses that fall."""
    made = history(FLAT)
    for band, timestep in enumerate((100, 500, 900)):
        held_out = (1.0, first[band], second[band])
        training = [0.9**epoch * first[band] for epoch in range(3)]
        made.measured += [
            Measured(0, epoch, side, timestep, losses[epoch])
            for side, losses in ((HELD_OUT, held_out), (TRAIN, training))
            for epoch in range(3)
        ]
    return made
