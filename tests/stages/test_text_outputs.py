"""The text encoder's outputs, kept: the training is the same without them."""

import csv
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.store.items import store_root
from pipeline.training.text_outputs import are_fixed
from stages import train
from tests.stages.project import STAGES, make_project

FIXED = {"network.text_encoder": False, "train.shuffle_tags": False, "train.keep_tokens": 0}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("use", "changes", "fixed"),
    [
        ({}, FIXED, True),
        ({}, {**FIXED, "train.caption_dropout": 0.5}, True),
        ({}, {**FIXED, "train.shuffle_tags": True}, False),
        ({}, {**FIXED, "train.tag_dropout": 0.1}, False),
        ({}, {**FIXED, "network.text_encoder": True}, False),
        ({"network": "hypernetwork"}, {"train.shuffle_tags": False}, True),
        ({"network": "embedding"}, {"train.shuffle_tags": False}, False),
    ],
)
def test_what_is_fixed(use: dict[str, str], changes: dict[str, Any], fixed: bool) -> None:
    assert are_fixed(check(compose(Params(use, changes)))) is fixed


def losses(folder: Path) -> list[str]:
    with (folder / "plots/train/loss.csv").open() as file:
        return [row["loss"] for row in csv.DictReader(file)]


def test_training_is_the_same_with_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path / "p"))
    for stage in STAGES[: STAGES.index(train)]:
        stage.main([])
    settings = [f"{key}={value}" for key, value in FIXED.items()]
    settings += ["train.caption_dropout=0.3", "validation=off", "train.save_precision=fp32", "train.batch=1"]
    train.main([*settings, "--out", "kept"])
    kept = sorted((store_root() / "text_outputs").rglob("*"))
    # Three pictures with the captions of two taggings or more, and the empty text: each once.
    assert 2 <= len([path for path in kept if path.is_file()]) <= 4
    train.main([*settings, "--out", "again"])
    monkeypatch.setattr(train, "are_fixed", lambda _: False)
    train.main([*settings, "--out", "without"])
    names = ("kept", "again", "without")
    weights = [Path(name, "models/network/net.safetensors").read_bytes() for name in names]
    assert weights[0] == weights[1] == weights[2]
    assert losses(Path("kept")) == losses(Path("without"))
    # Several texts in one batch differ from each alone in the last bits of float32.
    train.main([*settings, "train.batch=2", "--out", "without2"])
    monkeypatch.setattr(train, "are_fixed", are_fixed)
    train.main([*settings, "train.batch=2", "--out", "kept2"])
    one, other = (load_file(f"{name}/models/network/net.safetensors") for name in ("kept2", "without2"))
    assert all((one[key] - other[key]).abs().max() <= 1e-4 * other[key].abs().max() + 1e-7 for key in one)
