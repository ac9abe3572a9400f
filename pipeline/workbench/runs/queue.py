"""Jobs that wait: a line each in .athanor/workbench/queue.jsonl, run one after the other by pipeline.sweep.

The file holds what is to be done and in which order; whether a job runs is read from its run. So a server
that is killed and started again goes on where the file says.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any, Literal, get_args

from pipeline.errors import UserError
from pipeline.files.atomic import write_json, write_jsonl
from pipeline.workbench import STATE_FOLDER
from pipeline.workbench.runs.commands import QUEUED
from pipeline.workbench.runs.run import OVER, Run
from pipeline.workbench.runs.runs import Runs
from pipeline.workbench.runs.snapshot import forget, snapshot

QUEUE_FILE = STATE_FOLDER / "queue.jsonl"
MOST_JOBS, CHECK_S = 200, 120
JOB_NAME, _HASH = re.compile(r"q[0-9]{1,9}-[A-Za-z0-9-]{1,60}"), re.compile(r"[0-9a-f]{40,64}")
JobState = Literal["waiting", "running", "done", "failed", "stopped", "killed"]


@dataclass(frozen=True)
class QueuedJob:
    """`name`: also its experiment's; `baseline`, `tree`: the snapshot; `run`: the number of its run."""

    name: str
    baseline: str
    tree: str
    overrides: tuple[str, ...]
    state: JobState = "waiting"
    run: int | None = None


@dataclass(frozen=True)
class QueueSettings:
    """`is_on`: waiting jobs start; `goes_on`: also after a failure."""

    is_on: bool = False
    goes_on: bool = True


class Queue:
    """For several threads."""

    def __init__(self, runs: Runs, path: Path = QUEUE_FILE) -> None:
        self.runs, self.path, self.lock = runs, path.absolute(), RLock()
        self.settings, self.jobs = read_queue(self.path)

    def shown(self) -> dict[str, Any]:
        with self.lock:
            rows = [{**asdict(job), "overrides": list(job.overrides)} for job in self.jobs]
            return {"jobs": rows, "isOn": self.settings.is_on, "goesOn": self.settings.goes_on}

    def add(self, overrides: Sequence[str]) -> str:
        """Takes a snapshot of the decisions, after the composer has checked the overrides."""
        check_overrides(overrides)
        with self.lock:
            if len(self.jobs) >= MOST_JOBS:
                raise UserError(f"the queue holds {MOST_JOBS} jobs; remove some that are done")
            name = self._new_name(overrides)
            baseline, tree = snapshot(name, self.path.with_name(f"index-{name}"))
            self.jobs.append(QueuedJob(name, baseline, tree, tuple(overrides)))
            self._write()
            return f"{name} waits"

    def _new_name(self, overrides: Sequence[str]) -> str:
        number = 1 + max((number_in(job.name) for job in self.jobs), default=0)
        number = max(number, 1 + max((number_in(run.state.get("job")) for run in self.runs.all()), default=0))
        readable = re.sub(r"[^A-Za-z0-9]+", "-", " ".join(each.rpartition(".")[2] for each in overrides))[:40]
        return f"q{number}-{readable.strip('-') or 'as-is'}"

    def move(self, name: str, by: int) -> None:
        """Among those that wait."""
        with self.lock:
            waiting = [job for job in self.jobs if job.state == "waiting"]
            place = next((each for each, job in enumerate(waiting) if job.name == name), None)
            if place is None:
                raise UserError(f"{name[:80]} does not wait any more")
            waiting.insert(min(max(place + by, 0), len(waiting) - 1), waiting.pop(place))
            rest = iter(waiting)
            self.jobs = [next(rest) if job.state == "waiting" else job for job in self.jobs]
            self._write()

    def remove(self, name: str) -> None:
        with self.lock:
            job = next((each for each in self.jobs if each.name == name), None)
            if job is None:
                raise UserError(f"the queue has no job {name[:80]}")
            if job.state == "running":
                raise UserError(f"{name} runs; stop it first")
            self.jobs.remove(job)
            self._write()
            forget(name)

    def set(self, **settings: bool) -> None:
        with self.lock:
            self.settings = replace(self.settings, **settings)
            self._write()

    def step(self) -> bool:
        """Notes a job's end, and starts the next where nothing runs; whether anything changed."""
        with self.lock:
            changed = sum(self._follow(place, job) for place, job in enumerate(self.jobs)) > 0
            active = any(run.phase not in OVER for run in self.runs.all())
            following = next((each for each, job in enumerate(self.jobs) if job.state == "waiting"), None)
            if self.settings.is_on and not active and following is not None:
                self._start(following)
                changed = True
            if changed:
                self._write()
            return changed

    def _follow(self, place: int, job: QueuedJob) -> bool:
        """A job is what its run is, also one that another server started."""
        if job.state not in ("waiting", "running"):
            return False
        run = next((each for each in self.runs.all() if each.state.get("job") == job.name), None)
        if run is None and job.state == "waiting":
            return False
        state = state_of(run) if run else "killed"  # its folder is gone
        self.jobs[place] = replace(job, state=state, run=run.number if run else None)
        is_bad = state in ("failed", "killed") and not self.settings.goes_on
        if is_bad or state == "stopped":  # who stops one wants to look
            self.settings = replace(self.settings, is_on=False)
        return state != job.state

    def _start(self, place: int) -> None:
        job = self.jobs[place]
        order = self.path.with_name(f"order-{job.name}.json")
        said = {
            "name": job.name,
            "baseline": job.baseline,
            "tree": job.tree,
            "overrides": list(job.overrides),
        }
        write_json(order, said)
        run = self.runs.start([*QUEUED, "run", str(order)], job.name)
        self.jobs[place] = replace(job, state="running", run=run.number)

    def _write(self) -> None:
        write_jsonl(
            self.path, [{"queue": asdict(self.settings)}, *({"job": asdict(job)} for job in self.jobs)]
        )


def number_in(name: Any) -> int:
    found = re.match(r"q([0-9]{1,9})-", name) if isinstance(name, str) else None
    return int(found[1]) if found else 0


def state_of(run: Run) -> JobState:
    phase = run.phase
    return phase if phase in OVER else "running"  # type: ignore[return-value]


def read_queue(path: Path) -> tuple[QueueSettings, list[QueuedJob]]:
    """Lines that are torn or foreign are left out."""
    settings, jobs = QueueSettings(), list[QueuedJob]()
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        try:
            said = json.loads(line)
            if "queue" in said:
                settings = QueueSettings(bool(said["queue"]["is_on"]), bool(said["queue"]["goes_on"]))
            else:
                jobs.append(_job(said["job"]))
        except (ValueError, KeyError, TypeError):
            continue
    return settings, jobs


def _job(said: Any) -> QueuedJob:
    """A line of the file; ValueError for one that this queue would not have written."""
    job = QueuedJob(**{**said, "overrides": tuple(map(str, said["overrides"]))})
    hashes = (job.baseline, job.tree)
    if not JOB_NAME.fullmatch(str(job.name)) or not all(_HASH.fullmatch(str(each)) for each in hashes):
        raise ValueError
    if job.state not in get_args(JobState) or not isinstance(job.run, int | None):
        raise ValueError
    return job


def check_overrides(overrides: Sequence[str]) -> None:
    """The composer's own check, in a process of its own; they are its input, not its arguments."""
    try:
        ended = subprocess.run(
            [*QUEUED, "check"], input=json.dumps(list(overrides)), capture_output=True, text=True,
            check=False, timeout=CHECK_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError("the check of the settings took too long") from None
    if ended.returncode:
        lines = [
            line.removeprefix("error: ") for line in ended.stderr.splitlines() if line.startswith("error: ")
        ]
        raise UserError(*(lines or [ended.stderr.strip()[-2000:] or "the settings were refused"]))
