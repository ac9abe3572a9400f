"""Preservation without pictures in whole trainings."""

import os
import signal
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.store.items import store_root
from stages import train
from tests.stages.project import STAGES, make_project
from tests.stages.test_resume import stopped, trained

DIFFERENTIAL = ["train.preservation=differential", "train.preservation_class=dog"]
SHORT = ["validation=off", "train.epochs=1", "train.save_precision=fp32", "train.batch=1"]


def ready(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: dict[str, object]) -> None:
    monkeypatch.chdir(make_project(folder, **changes))
    for stage in STAGES[: STAGES.index(train)]:
        stage.main([])


def network(out: str, *settings: str) -> bytes:
    train.main([*SHORT, *settings, "--out", out])
    return Path(out, "models/network/net.safetensors").read_bytes()


def test_a_weight_of_zero_is_none_and_the_two_ways_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(tmp_path / "p", monkeypatch)
    prior = ["train.preservation=prior", "train.preservation_class=dog"]
    plain, held = network("none"), network("prior", *prior)
    assert network("zero", *DIFFERENTIAL, "train.preservation_weight=0") == plain
    assert len({plain, held, network("differential", *DIFFERENTIAL)}) == 3
    assert network("again", *prior) == held


def test_kept_text_outputs_hold_class_captions_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(tmp_path / "p", monkeypatch)
    fixed = ["network.text_encoder=false", "train.shuffle_tags=false", "train.keep_tokens=0"]
    kept = network("kept", *DIFFERENTIAL, *fixed)
    files = [path for path in (store_root() / "text_outputs").rglob("*") if path.is_file()]
    texts = len(files)
    network("plain", *fixed)
    assert len([path for path in (store_root() / "text_outputs").rglob("*") if path.is_file()]) == texts
    assert texts % 2 == 0  # each caption, and the same with the class in place of its trigger
    monkeypatch.setattr(train, "are_fixed", lambda _: False)
    assert network("live", *DIFFERENTIAL, *fixed) == kept


def test_captions_without_the_trigger_and_concepts_without_a_class_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(tmp_path / "p", monkeypatch, filter_tags={"trigger": None})
    with pytest.raises(UserError, match=r"captions of 3 of 3 pictures lack one .* set filter_tags\.trigger"):
        network("differential", *DIFFERENTIAL)
    with pytest.raises(UserError, match=r"preservation_class: no class for zib; add it, as in \{zib: dog\}"):
        network("unnamed", "train.preservation=prior", "train.preservation_class={cat: dog}")
    assert not Path("differential/models").exists()


def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, store = tmp_path / "p", tmp_path / "store"
    store.mkdir()
    ready(
        folder,
        monkeypatch,
        train={
            "name": "net", "epochs": 3, "batch": 1, "caption_dropout": 0.2,
            "preservation": "differential", "preservation_class": "dog",
        },
        network={"dim": 2, "alpha": 1, "dropout": 0.1},
        resume={"every_steps": 1},
    )  # fmt: skip
    unbroken = trained(folder, tmp_path)
    for _ in range(2):
        assert os.WTERMSIG(stopped(folder, store, 0.05, signal.SIGKILL)) == signal.SIGKILL
    assert trained(folder, store) == unbroken
