import torch

from pipeline.training.callbacks.metrics import rates_of_row
from pipeline.training.history import HELD_OUT, TRAIN, History, LossRow, Measured, Rollback, best_epoch
from stages.train import loss_table


def test_what_waits_comes_over_in_order_and_a_state_brings_all_back() -> None:
    history = History(rollbacks=[Rollback(9, 3, 0.1)], measured=[Measured(0, 0, TRAIN, 500, 0.5)])
    for step in range(3):
        history.waiting.append((step, 0, torch.tensor(step / 4), (1e-4, 0.0)))
    history.waiting_norms.append((2, torch.tensor([1.5, 0.25])))
    history.settle(lambda losses: losses * 2)
    assert history.rows == [
        LossRow(0, 0, 0.0, 1e-4, 0.0),
        LossRow(1, 0, 0.5, 1e-4, 0.0),
        LossRow(2, 0, 1.0, 1e-4, 0.0),
    ]
    assert (history.norms[0].gradient_norm, history.norms[0].update_ratio) == (1.5, 0.25)
    assert not history.waiting
    assert History.of_state(history.state()) == history


def test_the_best_epoch_is_that_of_the_least_held_out_loss() -> None:
    losses = {0: (0.4, 0.2), 1: (0.3, 0.1), 2: (0.2, 0.1), 3: (0.3, 0.3)}
    measured = [
        Measured(0, epoch, side, timestep, loss)
        for epoch, pair in losses.items()
        for timestep, loss in zip((100, 900), pair, strict=True)
        for side in (HELD_OUT,)
    ]
    measured.append(Measured(0, 2, TRAIN, 500, 0.12))
    assert best_epoch(measured) == {
        "best_epoch": 2,
        "validation_loss": 0.15,
        "validation_loss_base": 0.3,
        "validation_loss_last": 0.3,
        "validation_gap": 1.25,
    }
    assert best_epoch([Measured(0, 1, TRAIN, 100, 0.1)]) == {}


def test_a_second_text_encoder_has_a_rate_of_its_own_only_where_one_learns() -> None:
    one = {"unet": 1e-4, "text_encoder": 5e-5}
    assert rates_of_row(one, texts_rest=False) == (1e-4, 5e-5)
    assert rates_of_row({**one, "text_encoder_2": 1e-5}, texts_rest=False) == (1e-4, 5e-5, 1e-5)
    assert rates_of_row({**one, "text_encoder_2": 1e-5}, texts_rest=True) == (1e-4, 0.0, 0.0)
    assert rates_of_row({"unet": 1e-4}, texts_rest=False) == (1e-4, 0.0)
    assert loss_table([LossRow(0, 0, 0.5, 1e-4, 5e-5)]) == (
        ["step", "epoch", "loss", "lr", "text_encoder_lr"],
        [(0, 0, "0.5", 1e-4, 5e-5)],
    )
    columns, lines = loss_table([LossRow(0, 0, 0.5, 1e-4, 5e-5, 1e-5)])
    assert columns[-1] == "text_encoder_2_lr"
    assert lines == [(0, 0, "0.5", 1e-4, 5e-5, 1e-5)]
