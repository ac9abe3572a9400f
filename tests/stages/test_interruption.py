"""Ctrl-C and a full disk, in real processes: one sentence, exit code 1, nothing half-written; the next run
carries on.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.drawing.text_to_image import draw
from pipeline.grid import renderer as cells
from stages import sample_grid
from tests.conftest import ROOT
from tests.noting import noting
from tests.stages.project import draw_pictures, make_project, outputs, run_all

PART = {
    "stages.crop": "data/.cropped.part",
    "stages.train": "models/.network.part",
    "stages.sample_grid": "reports/.sample-grid.part",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every stage has run, and whose stages take a while when they run again."""
    folder = make_project(tmp_path_factory.mktemp("interruption") / "project")
    draw_pictures(folder / "photos" / "1_many", 60)
    for number in range(3):
        (folder / "photos" / "1_many" / f"{number}.png").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        run_all()
    return folder


def stage(module: str, project: Path, store: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "ATHANOR_STORE": str(store), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", module], cwd=project, env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("module", PART)
def test_ctrl_c_leaves_what_was_there_and_nothing_half_written(
    module: str, finished: Path, tmp_path: Path
) -> None:
    before = outputs(finished)
    part, store = finished / PART[module], tmp_path / "empty store"
    process = stage(module, finished, store)
    deadline = time.monotonic() + 120
    while not (part.exists() or store.exists()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert process.poll() is None, "the stage ended before it could be interrupted"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "error: interrupted" in stderr
    assert "run the same command again to continue" in stderr
    assert "Traceback" not in stderr
    assert outputs(finished) == before
    assert not part.exists()


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(finished: Path, tmp_path: Path) -> None:
    """The limit on a file's size stands in for a full disk: the same write fails half-way."""
    before = outputs(finished)
    limit = "import resource, signal, sys, runpy; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); sys.argv = ['stages.crop']\n"
    limit += "runpy.run_module('stages.crop', run_name='__main__')"
    environment = {**os.environ, "ATHANOR_STORE": str(tmp_path / "store"), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", limit],
        cwd=finished,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the disk is full")
    assert outputs(finished) == before
    assert not (finished / PART["stages.crop"]).exists()


def test_a_killed_grid_draws_no_finished_cell_again_and_ends_with_the_same_bytes(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL: nothing in the process can answer it."""
    before, store = outputs(finished), tmp_path / "empty store"
    process = stage("stages.sample_grid", finished, store)
    deadline = time.monotonic() + 120
    while len(items_in(store)) < 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert process.poll() is None, "the grid ended before it could be killed"
    process.kill()
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    kept = len(items_in(store))
    assert 4 <= kept < 10  # 5 cells of 2 pictures
    assert outputs(finished) == before
    drawn: list[int] = []
    monkeypatch.chdir(finished)
    monkeypatch.setenv("ATHANOR_STORE", str(store))
    monkeypatch.setattr(cells, "draw", noting(drawn, lambda _base, jobs, *_: len(jobs), draw))
    sample_grid.main([])
    assert drawn == [2] * (5 - kept // 2)
    assert outputs(finished) == before


def items_in(store: Path) -> list[Path]:
    """Whole pictures of the grid."""
    return [path for path in (store / "sample_grid").rglob("*") if path.is_file() and path.suffix != ".part"]
