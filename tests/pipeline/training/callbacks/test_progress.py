"""What a person sees of a training that goes on: epochs from 1, the loss, the time left of the whole run."""

import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.training.callbacks.progress import ProgressCallback
from pipeline.training.history import History, LossRow


def history() -> History:
    """The losses of 60 steps: the shown one is the mean of the last 50, of which each is 0.5."""
    made = History()
    made.rows += [LossRow(step, 0, 9.0 if step < 10 else 0.5, 1e-4, 0.0) for step in range(60)]
    return made


def trainer(epoch: int = 0) -> Any:
    return SimpleNamespace(is_global_zero=True, current_epoch=epoch, max_epochs=15)


def step(shown: ProgressCallback, epoch: int) -> None:
    shown.on_train_batch_end(trainer(epoch), cast("Any", None), None, cast("Any", None), 0)


def test_lines_count_epochs_from_1_and_steps_of_the_whole_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """60 s a step; a run that carries on after step 100 of 630."""
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    shown = ProgressCallback(history(), 630, 100)
    shown.on_train_start(trainer(), cast("Any", None))
    step(shown, 2)
    assert capsys.readouterr().err == "train: 101 of 630, epoch 3 of 15, loss 0.5000, about 8.8 h left\n"


def test_the_bar_counts_epochs_from_1_and_shows_the_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    shown = ProgressCallback(history(), 630, 100)
    shown.on_train_start(trainer(), cast("Any", None))
    step(shown, 0)
    assert shown.bar is not None
    shown.bar.refresh()
    shown.teardown(trainer(), cast("Any", None), "fit")
    said = capsys.readouterr().err
    assert "epoch 1 of 15" in said
    assert "101/630" in said
    assert "loss 0.5000" in said
