"""The live file of a run: its lines after steps, epochs, a resumed run, and a loss that is not a number."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch

from pipeline.training.callbacks.checkpoints import TurnedBack
from pipeline.training.callbacks.live import LiveFile, LiveFileCallback
from pipeline.training.doctor import Finding
from pipeline.training.history import HELD_OUT, History, LossRow, Measured, Norms

BATCH = cast("Any", SimpleNamespace(weight=torch.ones(4)))
TRAINER = cast("Any", SimpleNamespace(is_global_zero=True, world_size=1, max_epochs=2))
MODULE = cast("Any", None)


def row(step: int, loss: float) -> LossRow:
    return LossRow(step, step // 6, loss, 1e-3, 5e-4)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "live.jsonl").read_text().splitlines()]


def watched(history: History, folder: Path) -> LiveFileCallback:
    made = LiveFileCallback(history, LiveFile(folder), "net", 12, 4)
    made.on_train_start(TRAINER, MODULE)
    return made


def step(callback: LiveFileCallback, number: int, loss: float) -> None:
    callback.on_train_batch_start(TRAINER, MODULE, BATCH, number)
    callback.history.rows.append(row(number, loss))


def test_each_line_holds_the_steps_since_the_last_one(tmp_path: Path) -> None:
    history = History(measured=[Measured(0, 0, HELD_OUT, 500, 0.5)])
    callback = watched(history, tmp_path / "logs")
    for number in range(6):
        step(callback, number, 0.1 * (number + 1))
    history.norms.append(Norms(2, 3.5, 0.01))
    history.measured.append(Measured(6, 1, HELD_OUT, 500, 0.25))
    callback.on_train_epoch_end(TRAINER, MODULE)
    begin, *rest = lines(tmp_path / "logs")
    assert begin == {"run": {"name": "net", "done": 0, "steps": 12, "epochs": 2}}
    steps = [each for each in rest if "step" in each]
    assert [each["step"] for each in steps] == [4, 6]
    assert [round(each["loss"], 9) for each in steps] == [0.25, 0.55]  # means of 0.1 to 0.4, of 0.5 and 0.6
    assert steps[0]["lr"] == 1e-3
    assert steps[0]["text_encoder_lr"] == 5e-4
    assert steps[0]["pictures_per_s"] > 0
    assert steps[0]["memory_bytes"] > 1e6
    assert [each for each in rest if "validation" in each] == [
        {"epoch": 0, "validation": 0.5},
        {"epoch": 1, "validation": 0.25},
    ]


def test_a_resumed_run_begins_with_its_earlier_steps_without_a_speed(tmp_path: Path) -> None:
    history = History(rows=[row(number, 1.0) for number in range(8)])
    callback = watched(history, tmp_path)
    for number in range(8, 12):
        step(callback, number, 2.0)
    callback.on_train_epoch_end(TRAINER, MODULE)
    begin, first, second, third = lines(tmp_path)
    assert begin["run"]["done"] == 8
    assert [first["loss"], second["loss"], third["loss"]] == [1, 1, 2]
    assert first["seconds_left"] is None
    assert third["seconds_left"] == 0


def test_a_loss_that_is_not_a_number_is_null_and_a_finding(tmp_path: Path) -> None:
    callback = watched(History(), tmp_path)
    for number in range(5):
        step(callback, number, math.nan)
    callback.on_exception(TRAINER, MODULE, KeyboardInterrupt())
    _, finding, first, last, end = lines(tmp_path)
    assert first["loss"] is None
    assert finding["finding"]["kind"] == "blown_up"
    assert last["step"] == 5
    assert end == {"end": "stopped"}


def test_a_rollback_does_not_end_the_file(tmp_path: Path) -> None:
    callback = watched(History(), tmp_path)
    step(callback, 0, 1.0)
    callback.on_exception(TRAINER, MODULE, TurnedBack())
    assert len(lines(tmp_path)) == 1


def test_the_doctors_findings_come_before_the_end(tmp_path: Path) -> None:
    file = LiveFile(tmp_path)
    file.begin(name="net")
    file.end("done", [Finding("underfitted", "a sentence", "an advice")])
    assert lines(tmp_path)[1:] == [
        {"finding": {"kind": "underfitted", "sentence": "a sentence", "advice": "an advice"}},
        {"end": "done"},
    ]
