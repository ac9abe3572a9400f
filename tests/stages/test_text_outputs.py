"""The text encoder's outputs, kept: the training is the same without them."""

import csv
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import nn

from pipeline.bases.base import Base
from pipeline.bases.save import save_folder
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.store.items import store_root
from pipeline.training.callbacks import validation
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.text_outputs import are_fixed
from stages import train
from tests.pipeline.bases.test_text import small_base
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
        ({}, {**FIXED, "train.shuffle_tags": True, "train.caption_variants": 4}, True),
        ({}, {**FIXED, "train.tag_dropout": 0.1, "train.caption_variants": 4}, True),
        ({}, {"network.text_encoder": True, "train.caption_variants": 4}, False),
        ({"network": "embedding"}, {"train.caption_variants": 4}, False),
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


def read_parts(base: Base) -> set[str]:
    """The parts that are in memory."""
    return {name for name, part in base._parts.items() if isinstance(part, nn.Module)}


def test_sdxl_trains_with_variants_and_without_its_text_encoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path / "p", train={"epochs": 2}))
    save_folder(small_base("sdxl"), Path("base"), "fp32", {})
    for stage in STAGES[: STAGES.index(train)]:
        stage.main([])
    seen, whole = list[tuple[set[str], bool]](), Denoising.training_step

    def step(module: Denoising, batch: Batch, batch_idx: int) -> Any:
        seen.append((read_parts(module.base), batch.conditioning is not None))
        return whole(module, batch, batch_idx)

    monkeypatch.setattr(Denoising, "training_step", step)
    settings = ["network.text_encoder=false", "train.shuffle_tags=true", "train.caption_variants=2"]
    settings += ["train.caption_dropout=0.4", "train.batch=1", "train.save_precision=fp32"]
    settings += ["validation=light", "validation.every_epochs=1", "validation.pictures=2"]
    settings += ["validation.timesteps=[500]"]
    train.main([*settings, "--out", "kept"])
    assert seen == [({"unet"}, True)] * 12  # 3 pictures, twice in each of 2 epochs
    seen.clear()
    for module in (train, validation):
        monkeypatch.setattr(module, "are_fixed", lambda _: False)
    train.main([*settings, "--out", "without"])
    assert seen == [({"unet", "text_encoder", "text_encoder_2"}, False)] * 12
    for name in ("models/network/net.safetensors", "plots/train/validation.csv", "plots/train/loss.csv"):
        assert Path("kept", name).read_bytes() == Path("without", name).read_bytes()


def test_sample_pictures_use_the_text_encoders_between_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path / "p", train={"epochs": 2}))
    for stage in STAGES[: STAGES.index(train)]:
        stage.main([])
    seen, whole = list[set[str]](), Denoising.training_step

    def step(module: Denoising, batch: Batch, batch_idx: int) -> Any:
        seen.append(read_parts(module.base))
        return whole(module, batch, batch_idx)

    monkeypatch.setattr(Denoising, "training_step", step)
    settings = [f"{key}={value}" for key, value in FIXED.items()]
    settings += ["validation=off", "logging.sample_prompts=[zib]", "logging.sample_every_epochs=1"]
    settings += ["logging.sample_resolution=64"]
    train.main([*settings, "--out", "drawn"])
    assert len(list(Path("drawn/logs/net/samples").iterdir())) == 3
    assert seen
    assert all(parts == {"unet", "vae"} for parts in seen)
    train.main([*settings[:-3], "--out", "plain"])
    names = ("drawn", "plain")
    one, other = (Path(name, "models/network/net.safetensors").read_bytes() for name in names)
    assert one == other
