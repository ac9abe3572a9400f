"""Training as a command: the plan, held-out pictures, the way back, several devices, what is refused."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.errors import UserError
from pipeline.training.module import Denoising
from stages import train
from tests.conftest import ROOT
from tests.stages.project import STAGES, draw_pictures, make_project, outputs


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything before the training has run: eight pictures, ten showings an epoch."""
    folder = make_project(tmp_path_factory.mktemp("train") / "project", train={"name": "net", "epochs": 3})
    draw_pictures(folder / "more", 8)
    (folder / "photos" / "1_more").mkdir()
    for number in range(3, 8):
        (folder / "more" / f"{number}.png").rename(folder / "photos" / "1_more" / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        for stage in STAGES[: STAGES.index(train)]:
            stage.main([])
    return folder


@pytest.fixture
def project(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(ready, folder)
    monkeypatch.chdir(folder)
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_plan_is_shown_and_nothing_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outputs(project)
    train.main(["--plan", "train.batch=2", "validation.share=0.1"])
    said = capsys.readouterr().out
    # Of three and five pictures one each is kept out: 2 x 2 + 4 showings in batches of 2.
    assert "6 pictures; 2 more are held out for validation" in said
    assert "an epoch: 8 showings, 4 batches of 2, 4 updates" in said
    assert "in all: 3 epochs, 12 updates" in said
    assert "GFLOP" in said
    assert "GiB" in said
    assert outputs(project) == before
    assert not (project / "logs").exists()


def test_held_out_pictures_are_measured_and_name_the_best_epoch(project: Path) -> None:
    train.main(["validation=holdout", "optimizer.lr=1e-3", "--out", "held"])
    metrics = json.loads((project / "held/metrics/train.json").read_text())
    rows = table(project / "held/plots/train/validation.csv")
    assert {(row["side"], row["epoch"]) for row in rows} == {
        ("swapped", "0"), *((side, str(epoch)) for side in ("train", "held_out") for epoch in range(4)),
    }  # fmt: skip
    held = {
        epoch: sum(float(row["loss"]) for row in rows if (row["side"], row["epoch"]) == ("held_out", epoch))
        / 5
        for epoch in ("1", "2", "3")
    }
    assert str(metrics["best_epoch"]) == min(held, key=held.__getitem__)
    assert metrics["validation_loss"] == pytest.approx(min(held.values()), abs=1e-5)


def test_measurements_do_not_change_what_is_trained(project: Path) -> None:
    train.main(["validation=off", "--out", "off"])
    train.main(["validation.every_epochs=1", "--out", "on"])
    off, on = (load_file(project / name / "models/network/net.safetensors") for name in ("off", "on"))
    assert all(off[key].equal(on[key]) for key in off)
    assert len(table(project / "off/plots/train/validation.csv")) == 0


def test_logs_hold_curves_and_pictures_and_change_nothing(project: Path) -> None:
    train.main(["logging=off", "--out", "quiet"])
    prompts = "logging.sample_prompts=[zib]"
    train.main([prompts, "logging.sample_resolution=64", "logging.sample_every_epochs=2", "--out", "logged"])
    assert not (project / "quiet/logs").exists()
    quiet, logged = (
        load_file(project / name / "models/network/net.safetensors") for name in ("quiet", "logged")
    )
    assert all(quiet[key].equal(logged[key]) for key in quiet)
    events = EventAccumulator(str(project / "logged/logs/net")).Reload()
    losses = [float(row["loss"]) for row in table(project / "logged/plots/train/loss.csv")]
    assert [each.value for each in events.Scalars("loss")] == pytest.approx(losses, rel=1e-5)
    assert [each.step for each in events.Images("sample/00 zib")] == [0, 2]
    live = [json.loads(line) for line in (project / "logged/logs/net/live.jsonl").read_text().splitlines()]
    assert [each["step"] for each in live if "step" in each][-1] == len(losses)
    assert live[-1] == {"end": "done"}
    assert sorted(path.name for path in (project / "logged/logs/net/samples").iterdir()) == [
        "00-000000.png",
        "00-000002.png",
    ]


def test_a_base_in_eight_bits_teaches_nearly_the_same(project: Path) -> None:
    train.main(["--out", "exact"])
    train.main(["train.base_precision=int8", "--out", "eight"])
    exact, eight = (
        load_file(project / name / "models/network/net.safetensors") for name in ("exact", "eight")
    )
    ups = [key for key in exact if "lora_up" in key]  # they start at zero
    off = sum(float((exact[key] - eight[key]).float().square().sum()) for key in ups)
    whole = sum(float(exact[key].float().square().sum()) for key in ups)
    assert 0 < (off / whole) ** 0.5 < 0.2


@pytest.mark.parametrize("network", ["network=checkpoint", "network=ia3", "network.dora=true"])
def test_eight_bits_are_refused_to_networks_made_from_the_weights(project: Path, network: str) -> None:
    with pytest.raises(UserError, match=r"base_precision int8 .* set train\.base_precision to same"):
        train.main([network, "train.base_precision=int8", "--out", "eight"])


def test_a_card_that_is_too_small_is_a_sentence_with_cures(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allocator's own error, and what Apple's devices, cuBLAS and cuDNN raise."""
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 200 MB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ):

        def full(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Denoising, "picture_losses", full)
        with pytest.raises(UserError, match=r"memory is full.*yaml train\.precision: bf16.*Nothing was kept"):
            train.main(["--out", "full"])


def test_a_card_that_is_too_small_is_seen_before_the_base_is_loaded(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a stand-in for a card of a million bytes nothing is loaded; one of four fifths of the need warns."""

    def loading(*_: object) -> None:
        raise AssertionError("the base is loaded")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.planning.room.memory_of", lambda _: 10**6)
        for reader in ("from_folder.read_part", "from_file.filled"):
            patch.setattr(f"pipeline.bases.{reader}", loading)
        for options in (["--plan"], ["--out", "small"]):
            with pytest.raises(UserError, match=r"this run needs about .* with all that saves memory"):
                train.main(options)
    assert not Path("small").exists()
    monkeypatch.setattr("pipeline.training.planning.room.needed_bytes", lambda *_: 10**9)
    monkeypatch.setattr("pipeline.training.planning.room.memory_of", lambda _: 8 * 10**8)
    train.main(["--plan"])
    said = capsys.readouterr()
    assert "the run goes on, and tries" in said.err
    assert "in all: 3 epochs" in said.out


def test_weights_and_biases_that_is_not_installed_is_a_sentence(project: Path) -> None:
    with pytest.raises(UserError, match="pip install wandb"):
        train.main(["logging=wandb", "--out", "sent"])


def test_a_run_that_blows_up_goes_back_and_ends_well(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = [
        "optimizer.lr=1e30",
        "optimizer.text_encoder_lr=1e30",
        "train.clip_norm=0",
        "doctor.every_steps=5",
    ]
    with pytest.raises(UserError, match=r"blown up.*; lower optimizer\.lr"):
        train.main([*wild, "--out", "tell"])
    assert not (project / "tell/models/network").exists()
    train.main([*wild, "doctor=rollback", "doctor.rollback_factor=1e-33", "--out", "back"])
    assert "going back to step 0, learning rates times 1e-33" in capsys.readouterr().err
    metrics = json.loads((project / "back/metrics/train.json").read_text())
    assert metrics["rollbacks"] == 1
    assert "rate_too_high" in metrics["doctor"]
    rows = table(project / "back/plots/train/loss.csv")
    assert [int(row["step"]) for row in rows] == list(range(metrics["steps"]))
    assert max(float(row["lr"]) for row in rows) <= 1e-3


def by_two(*settings: str) -> subprocess.Popen[str]:
    """A training by two processes, of two pictures each a step, into `two/`."""
    command = ["-m", "stages.train", *settings, "train.batch=2", "train.devices=2", "--out", "two"]
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it said."""
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return said


def same_as_by_one(project: Path) -> None:
    one, two = (table(project / name / "plots/train/loss.csv") for name in ("one", "two"))
    # Eleven showings in batches of 4: the last batch leaves one device a picture less.
    assert len(one) == len(two) == 6
    for ours, theirs in zip(one, two, strict=True):
        assert float(theirs["loss"]) == pytest.approx(float(ours["loss"]), abs=1e-5)
    weights = [load_file(project / name / "models/network/net.safetensors") for name in ("one", "two")]
    for key, value in weights[0].items():
        assert value.allclose(weights[1][key], rtol=0, atol=1e-5), key


def test_two_devices_do_what_one_does_with_the_same_batch(project: Path) -> None:
    common = ["train.epochs=2", "optimizer.lr=1e-3"]
    train.main([*common, "train.batch=4", "--out", "one"])
    ended(by_two(*common))
    same_as_by_one(project)


def test_a_checkpoint_split_between_two_is_what_one_trains_though_they_were_killed(project: Path) -> None:
    """A key's bias changes nothing (it moves all of a query's scores alike): its gradient is rounding, of
    which AdamW makes whole steps.
    """
    params = yaml.safe_load(Path("params.yaml").read_text())
    params |= {
        "use": {"network": "checkpoint"},
        "network": {"text_encoder": True, "exclude": ["k_proj.bias"]},
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    common = ["train.epochs=2", "optimizer.lr=1e-3", "optimizer.text_encoder_lr=5e-4", "base.clip_skip=2"]
    common += ["train.save_precision=fp32", "train.ema_decay=0.9", "optimizer.eps=1e-6"]
    train.main([*common, "train.batch=4", "--out", "one"])
    split = by_two(*common, "train.strategy=fsdp", "resume.every_steps=1")
    places = Path(os.environ["ATHANOR_STORE"]) / "training"
    deadline = time.monotonic() + 120
    while not list(places.glob("*/last.pt")) and split.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(split.pid, signal.SIGKILL)
    before_death = split.communicate()[1]
    assert split.returncode == -signal.SIGKILL, before_death
    said = ended(by_two(*common, "train.strategy=fsdp", "resume.every_steps=1"))
    assert "resuming after step" in said
    same_as_by_one(project)
    trained = load_file(project / "two/models/network/net.safetensors")
    before = load_file(project / "base/unet/diffusion_pytorch_model.safetensors")["conv_in.weight"]
    name = "model.diffusion_model.input_blocks.0.0.weight"
    assert (trained[name] - before).abs().max() > 1e-4
