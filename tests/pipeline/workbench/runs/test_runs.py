"""Runs are processes of their own: found again, stopped step by step, never taken for another's."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.workbench.runs import run as run_module
from pipeline.workbench.runs.process import identity, members
from pipeline.workbench.runs.run import Phase, Run
from pipeline.workbench.runs.runs import MOST_RUNS, Runs

KEEPING = """
import signal, sys, time
def keep(*_):
    print("kept what was trained", flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, keep)
print("begun", flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("begun", flush=True)
time.sleep(60)
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path / "runs")
    yield made
    for run in made.all():
        if (pid := run.process) is not None:
            os.killpg(pid, 9)
    for child in made.children:
        child.wait(10)


def until(run: Run, *phases: Phase) -> Phase:
    end = time.monotonic() + 20
    while run.phase not in phases:
        assert time.monotonic() < end, run.phase
        time.sleep(0.03)
    return run.phase


def printed(run: Run, text: str) -> None:
    end = time.monotonic() + 20
    while text not in run.log.read_text():
        assert time.monotonic() < end, run.log.read_text()
        time.sleep(0.03)


def test_the_end_of_a_run_is_known_to_another_server(runs: Runs) -> None:
    good = runs.start([sys.executable, "-c", "print('fine')"])
    assert until(good, "done", "failed") == "done"
    bad = runs.start([sys.executable, "-c", "import sys; print('no', file=sys.stderr); sys.exit(3)"])
    assert until(bad, "done", "failed") == "failed"
    found = Runs(runs.folder).all()
    assert [(each.number, each.phase, each.code) for each in found] == [(2, "failed", 3), (1, "done", 0)]
    assert found[0].log.read_text() == "no\n"


def test_a_run_stops_as_by_ctrl_c_and_keeps_what_it_has(runs: Runs) -> None:
    run = runs.start([sys.executable, "-c", KEEPING])
    printed(run, "begun")
    assert run.phase == "running"
    Runs(runs.folder).numbered(run.number).stop(1)  # by another server
    assert until(run, "stopped", "killed", "done") == "stopped"
    assert run.log.read_text() == "begun\nkept what was trained\n"
    with pytest.raises(UserError, match="has ended"):
        run.stop(2)


def test_a_stubborn_run_is_killed_by_the_third_step_alone(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start([sys.executable, "-c", STUBBORN])
    printed(run, "begun")
    with pytest.raises(UserError, match="look again"):
        run.stop(3)
    run.stop(1)
    assert run.phase == "stopping"
    with pytest.raises(UserError, match="more seconds"):
        run.stop(2)
    monkeypatch.setattr(run_module, "PATIENCE_S", 0.0)
    run.stop(2)
    assert run.phase == "stopping"
    run.stop(3)
    assert until(run, "killed", "stopped", "done") == "killed"


def test_another_process_with_the_same_number_is_not_the_run(runs: Runs) -> None:
    run = runs.start([sys.executable, "-c", "pass"])
    until(run, "done")
    (run.folder / "end.json").unlink()
    said = {"pid": os.getpid(), "identity": "an earlier process"}
    (run.folder / "process.json").write_text(json.dumps(said))
    assert run.phase == "killed"
    with pytest.raises(UserError, match="has ended"):
        run.stop(1)
    said["identity"] = str(identity(os.getpid()))
    (run.folder / "process.json").write_text(json.dumps(said))
    assert Run(run.folder).phase == "running"
    (run.folder / "process.json").unlink()


def test_torn_files_of_a_run_are_no_crash(runs: Runs) -> None:
    run = runs.start([sys.executable, "-c", "pass"])
    until(run, "done")
    for name in ("state.json", "stops.json", "end.json", "process.json"):
        (run.folder / name).write_text('{"co')
    assert (run.phase, run.code, run.stops, run.state["argv"]) == ("killed", None, [], [])


def test_a_command_that_is_not_there_fails_with_a_sentence(runs: Runs) -> None:
    run = runs.start(["/no/such/command"])
    assert until(run, "failed", "done", "killed") == "failed"
    assert "No such file" in run.log.read_text()


def test_old_runs_are_forgotten_and_those_that_go_on_are_kept(runs: Runs) -> None:
    going = runs.start([sys.executable, "-c", STUBBORN])
    for number in range(2, MOST_RUNS + 3):
        (runs.folder / str(number)).mkdir()
        (runs.folder / str(number) / "state.json").write_text('{"argv": [], "begun": 0, "job": null}')
    newest = runs.start([sys.executable, "-c", "pass"])
    assert newest.number == MOST_RUNS + 3
    left = [run.number for run in runs.all()]
    assert left[-1] == going.number
    assert len(left) == MOST_RUNS + 1
    assert runs.current() in (going, newest)


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


FOREIGN = ('{"pid": 0, "identity": null}', "{}", "[]", '{"pid": 1, "identity": "x"}', "[" * 9999)


@pytest.mark.parametrize("text", FOREIGN)
def test_a_foreign_process_file_names_no_process(tmp_path: Path, text: str) -> None:
    run = Run(tmp_path / "1")
    run.folder.mkdir()
    for name in ("process.json", "state.json", "end.json", "stops.json"):
        (run.folder / name).write_text(text)
    assert (run.process, run.code, run.state["job"], run.stops) == (None, None, None, [])
    with pytest.raises(UserError, match="has ended"):
        run.stop(1)


def test_what_goes_on_after_its_wrapper_was_killed_is_still_the_run(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    run = runs.start([sys.executable, "-c", "import time; time.sleep(60)"])
    pid = run.process
    assert pid is not None
    wait_for(lambda: len(members(pid)) == 2)
    os.kill(pid, signal.SIGKILL)
    runs.children[0].wait()
    assert run.phase == "running"
    run.stop(1)
    wait_for(lambda: run.phase == "killed")
    assert not members(pid)


def test_a_run_lasts_until_its_whole_group_has_ended(tmp_path: Path) -> None:
    child = "import time; time.sleep(3)"
    program = (
        f"import subprocess, sys; each = subprocess.Popen([sys.executable, '-c', {child!r}]); print(each.pid)"
    )
    runs = Runs(tmp_path)
    run = runs.start([sys.executable, "-u", "-c", program])
    pid = run.process
    assert pid is not None
    wait_for(lambda: run.log.read_text().strip().isdigit())
    left = int(run.log.read_text())
    wait_for(lambda: members(pid) == {pid, left})
    assert run.phase == "running"
    wait_for(lambda: run.phase == "done")
    runs.children[0].wait()
