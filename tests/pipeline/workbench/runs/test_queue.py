"""The queue: order, snapshots, what happens after a failure and after a restart."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.workbench.runs import queue as queue_module
from pipeline.workbench.runs.queue import Queue
from pipeline.workbench.runs.run import OVER
from pipeline.workbench.runs.runs import Runs
from tests.pipeline.workbench.project_that_runs import make_project_that_runs
from tests.pipeline.workbench.server import ROOT

MADE = list[Runs]()
"""Their children are waited for."""
STUB = """
import json, sys
job = json.load(open(sys.argv[2]))
print("ran", job["name"])
sys.exit(3 if "x.fails=1" in job["overrides"] else 0)
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Its jobs are a stub, and the composer takes everything."""
    monkeypatch.chdir(make_project_that_runs(tmp_path / "set"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(queue_module, "QUEUED", (sys.executable, "-c", STUB))
    monkeypatch.setattr(queue_module, "check_overrides", list)
    yield again()
    for runs in MADE:
        for child in runs.children:
            child.wait(20)
    MADE.clear()


def again() -> Queue:
    """As another server finds it."""
    MADE.append(Runs(Path(".athanor/workbench/runs")))
    return Queue(MADE[-1], Path(".athanor/workbench/queue.jsonl"))


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def names(queue: Queue) -> list[str]:
    return [job.name for job in queue.jobs]


def run_out(queue: Queue) -> list[str]:
    end = time.monotonic() + 30
    while queue.settings.is_on and any(job.state in ("waiting", "running") for job in queue.jobs):
        assert time.monotonic() < end
        assert sum(run.phase not in OVER for run in queue.runs.all()) <= 1
        queue.step()
        time.sleep(0.02)
    return [job.state for job in queue.jobs]


def test_jobs_run_in_their_order_one_at_a_time(queue: Queue) -> None:
    for overrides in (["a.b=1"], ["a.b=2"], []):
        queue.add(overrides)
    assert names(queue) == ["q1-b-1", "q2-b-2", "q3-as-is"]
    queue.move("q3-as-is", -1)
    queue.move("q1-b-1", 5)
    assert names(queue) == ["q3-as-is", "q2-b-2", "q1-b-1"]
    assert not queue.step()
    queue.set(is_on=True)
    assert run_out(queue) == ["done", "done", "done"]
    ran = [run.log.read_text().strip() for run in reversed(queue.runs.all())]
    assert ran == ["ran q3-as-is", "ran q2-b-2", "ran q1-b-1"]
    with pytest.raises(UserError, match="does not wait any more"):
        queue.move("q2-b-2", 1)


def test_it_goes_on_after_a_failure_unless_it_is_switched_off(queue: Queue) -> None:
    queue.add(["x.fails=1"])
    queue.add([])
    queue.set(is_on=True)
    assert run_out(queue) == ["failed", "done"]
    queue.set(goes_on=False)
    queue.add(["x.fails=1"])
    queue.add([])
    assert run_out(queue) == ["failed", "done", "failed", "waiting"]
    assert not queue.settings.is_on


def test_another_server_goes_on_where_the_file_says(queue: Queue) -> None:
    queue.add([])
    queue.add([])
    queue.set(is_on=True)
    queue._start(0)  # killed before it could note that
    found = again()
    assert [job.state for job in found.jobs] == ["waiting", "waiting"]
    assert run_out(found) == ["done", "done"]
    assert len(found.runs.all()) == 2
    with Path(".athanor/workbench/queue.jsonl").open("a") as file:
        file.write('{"job": {"name": "torn')
    assert names(again()) == names(found)


def test_a_job_holds_the_decisions_of_the_moment_and_leaves_index_and_branch(queue: Queue) -> None:
    Path("params.yaml").write_text("network:\n  dim: 8\n")
    Path("staged.txt").write_text("mine")
    git("add", "staged.txt")
    before = git("status", "--porcelain"), git("rev-parse", "HEAD")
    queue.add([])
    assert (git("status", "--porcelain"), git("rev-parse", "HEAD")) == before
    Path("params.yaml").write_text("network:\n  dim: 64\n")
    job = queue.jobs[0]
    assert git("show", f"{job.tree}:params.yaml") == "network:\n  dim: 8\n"
    assert "staged.txt" not in git("ls-tree", "-r", "--name-only", job.tree)
    assert job.baseline == before[1].strip()
    assert git("for-each-ref", "--format=%(objectname)", "refs/athanor/queue").strip() == job.tree
    queue.remove(job.name)
    assert git("for-each-ref", "refs/athanor/queue") == ""
    with pytest.raises(UserError, match="no job"):
        queue.remove(job.name)


def test_lines_that_this_queue_would_not_write_are_left_out(queue: Queue) -> None:
    queue.add([])
    path = Path(".athanor/workbench/queue.jsonl")
    line = json.loads(path.read_text().splitlines()[1])
    for name in ("a/b", "../../x", "q9-x\0", "q9-\n"):
        with path.open("a") as file:
            file.write(json.dumps({"job": {**line["job"], "name": name}}) + "\n")
    with path.open("a") as file:
        file.write(json.dumps({"job": {**line["job"], "name": "q8-a", "tree": "--all"}}) + "\n")
        file.write(json.dumps({"job": {**line["job"], "name": "q7-a", "state": "running", "run": 99}}) + "\n")
    found = again()
    assert names(found) == ["q1-as-is", "q7-a"]
    assert found.step()
    assert [job.state for job in found.jobs] == ["waiting", "killed"]
