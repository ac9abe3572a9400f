"""Training that is stopped: the same command carries on and ends with the bytes of an unbroken run."""

import os
import signal
import time
import traceback
from pathlib import Path
from random import Random

import pytest
from safetensors import safe_open

from pipeline.files.hashing import sha256_of_tree
from stages import train
from tests.stages.project import STAGES, make_project, outputs


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ready for training: 24 steps in four epochs, with dropout (which draws from the global generator)."""
    folder = make_project(
        tmp_path_factory.mktemp("resume") / "project",
        train={"name": "net", "epochs": 4, "batch": 1, "caption_dropout": 0.2},
        network={"dim": 2, "alpha": 1, "dropout": 0.1},
        resume={"every_steps": 1},
        logging={"every_steps": 4},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        for stage in STAGES[: STAGES.index(train)]:
            stage.main([])
    return folder


@pytest.fixture(scope="module")
def unbroken(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run writes that nobody stops."""
    return trained(project, tmp_path_factory.mktemp("unbroken"))


def started(project: Path, store: Path) -> int:
    """The training as a process of its own; its id."""
    if child := os.fork():
        return child
    os.environ["ATHANOR_STORE"] = str(store)
    try:
        os.chdir(project)
        train.main([])
        os._exit(0)
    except BaseException:
        (store / "error.txt").write_text(traceback.format_exc())
        os._exit(1)


def trained(project: Path, store: Path) -> dict[str, bytes]:
    _, status = os.waitpid(started(project, store), 0)
    assert status == 0, (store / "error.txt").read_text()
    return outputs(project)


def checkpoints(store: Path) -> str | None:
    """None while there are none."""
    there = any((store / "training").glob("*/last.pt"))
    return sha256_of_tree(store / "training", ["*/last.pt"]) if there else None


def stopped(project: Path, store: Path, seconds: float, by: signal.Signals) -> int:
    """Stops the training, so many seconds after it got beyond the last checkpoint; its status."""
    before, child = checkpoints(store), started(project, store)
    deadline = time.monotonic() + 60
    while checkpoints(store) == before and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(seconds)
    os.kill(child, by)
    return os.waitpid(child, 0)[1]


def test_a_run_killed_at_five_random_moments_ends_with_the_same_bytes(
    project: Path, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    random = Random(7)
    for _ in range(5):
        status = stopped(project, tmp_path, random.uniform(0, 0.1), signal.SIGKILL)
        assert os.WTERMSIG(status) == signal.SIGKILL, "the training ended before it was killed"
    assert trained(project, tmp_path) == unbroken
    assert not list((tmp_path / "training").iterdir())


def test_ctrl_c_keeps_what_was_trained_and_the_same_command_carries_on(
    project: Path, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    status = stopped(project, tmp_path, 0, signal.SIGINT)
    assert os.waitstatus_to_exitcode(status) == 1
    assert "KeyboardInterrupt" in (tmp_path / "error.txt").read_text()
    (partial,) = (project / "logs/net").glob("net-partial-step*.safetensors")
    with safe_open(partial, "pt") as file:
        assert 0 < int(file.metadata()["ss_steps"]) < 24
    assert outputs(project) == unbroken
    assert trained(project, tmp_path) == unbroken


def test_a_run_whose_checkpoint_was_damaged_starts_again_and_ends_with_the_same_bytes(
    project: Path, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    stopped(project, tmp_path, 0, signal.SIGKILL)
    (last,) = (tmp_path / "training").glob("*/last.pt")
    data = last.read_bytes()
    last.write_bytes(data[: len(data) // 2])
    assert trained(project, tmp_path) == unbroken
