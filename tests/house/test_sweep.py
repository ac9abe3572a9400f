"""A real sweep in a repository of its own: what is shared runs once, results are saved, nothing stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.house.repository import Repository, make_repository

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make_repository(tmp_path_factory.mktemp("sweep") / "project")


def sweep(repository: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    return repository.run(
        sys.executable, "-m", "pipeline.sweep", "-m", *arguments, "--no-compare", check=False
    )


def runs_of(repository: Repository, stage: str) -> int:
    """How often the jobs' logs say that the stage ran."""
    logs = (repository.folder / ".athanor/sweeps/logs").glob("*.log")
    return sum(log.read_text().count(f"Running stage '{stage}'") for log in logs)


def experiments(repository: Repository) -> list[str]:
    lines = repository.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/").stdout.split()
    return sorted(line.rpartition("/")[2] for line in lines if "/exec/" not in line)


def assert_clean(repository: Repository) -> None:
    assert len(repository.run("git", "worktree", "list").stdout.splitlines()) == 1
    assert repository.run("git", "status", "--porcelain").stdout == ""
    left = {path.name for path in (repository.folder / ".athanor/sweeps").glob("*")}
    assert left <= {"logs", "searches"}
    assert not (repository.folder / ".athanor/sweeps.lock").exists()


def test_a_sweep(repository: Repository) -> None:
    stray = repository.folder / "stray.txt"
    stray.write_text("x")
    refused = sweep(repository, "network.dim=2,4")
    assert refused.returncode == 1
    assert "stray.txt" in refused.stderr
    stray.unlink()
    values = ("network.dim=2,4", "network.initial=null,missing.safetensors", "--target", "train", *JOBLIB)
    ended = sweep(repository, *values)
    assert ended.returncode == 1, "a job that fails makes the command fail, after the others have ended"
    assert "2 of 4 jobs failed" in ended.stderr
    assert {stage: runs_of(repository, stage) for stage in ("collect", "crop", "tag", "encode", "train")} == {
        "collect": 1, "crop": 1, "tag": 1, "encode": 1, "train": 2,
    }, ended.stderr  # fmt: skip
    assert len(experiments(repository)) == 2
    assert_clean(repository)
    again = sweep(repository, *values)
    assert "2 of 4 jobs are already made" in again.stderr
    assert runs_of(repository, "train") == 2
    assert_clean(repository)


@pytest.mark.large
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_was_ended_is_cleaned_up_and_carried_on(
    repository: Repository, number: signal.Signals
) -> None:
    values = (f"seed={10 + number},{20 + number}", "--target", "train", *JOBLIB)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.sweep", "-m", *values, "--no-compare"],
        cwd=repository.folder,
        env=repository.environment,
        start_new_session=True,
    )
    await_training(repository.folder)
    os.kill(process.pid, number)
    process.wait(60)
    if number == signal.SIGINT:
        assert_clean(repository)
    before = set(experiments(repository))
    ended = sweep(repository, *values)
    assert ended.returncode == 0, ended.stderr
    assert len(set(experiments(repository)) - before) >= 1
    assert_clean(repository)


def await_training(folder: Path) -> None:
    """Until a job's log says that it trains."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        logs = (folder / ".athanor/sweeps/worktrees").glob("*/logs")
        if any(logs):
            return
        time.sleep(0.1)
    raise AssertionError("no training began")


@pytest.mark.large
@pytest.mark.parametrize("launcher", ["basic", "submitit_local", "ray"])
def test_launchers_run_the_same_sweep(repository: Repository, launcher: str) -> None:
    ended = sweep(
        repository, "network.dim=3,5", "network.alpha=1", f"hydra/launcher={launcher}", "--target", "train"
    )
    assert ended.returncode == 0, ended.stderr
    assert_clean(repository)
    for name in experiments(repository):
        if name.startswith(("dim3", "dim5")):
            repository.run("dvc", "exp", "remove", name)


@pytest.mark.large
def test_a_search_goes_on_where_it_stopped(repository: Repository) -> None:
    values = (
        "network.dim=choice(2,4)", "optimizer.lr=tag(log,interval(1e-4,1e-2))", "--target", "train",
        "--metric", "train.loss_last_epoch", "--minimize",
    )  # fmt: skip
    assert sweep(repository, *values, "--trials", "2").returncode == 0
    first = runs_of(repository, "train")
    assert sweep(repository, *values, "--trials", "3").returncode == 0
    assert runs_of(repository, "train") == first + 1
    assert_clean(repository)
