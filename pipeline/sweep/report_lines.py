"""A line on stderr whenever a job begins or ends, on whichever machine: read off the results' files."""

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.sweep.jobs import Job
from pipeline.sweep.metrics import DEFAULTS, Objective

POLL_S = 0.3


@contextmanager
def lines(jobs: Sequence[Job], objective: Objective | None = None) -> Iterator[None]:
    """While inside, tells of these jobs."""
    ended, told = threading.Event(), dict[str, str]()
    total = len(jobs)

    def look() -> None:
        for job in jobs:
            result = _read(job)
            if result and told.get(job.name) != result["status"]:
                told[job.name] = result["status"]
                done = sum(status != "running" for status in told.values())
                print(f"[{done}/{total}] {line(job, result, objective)}", file=sys.stderr, flush=True)

    def watch() -> None:
        while not ended.wait(POLL_S):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        time.sleep(0)
        ended.set()
        thread.join()
        look()


def _read(job: Job) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(job.result.read_text())
    except FileNotFoundError:
        return None
    return found


def line(job: Job, result: dict[str, Any], objective: Objective | None = None) -> str:
    status = result["status"]
    if status == "done":
        took = f" in {result['seconds']:.0f} s" if "seconds" in result else ", made before"
        return f"{job.name}: done{took}{_score(result['figures'], objective)}"
    if status == "pruned":
        return f"{job.name}: given up after epoch {result['epoch']}"
    if status == "failed":
        return f"{job.name}: failed: {result['reason'].splitlines()[-1]}"
    return f"{job.name}: running"


def _score(figures: dict[str, float], objective: Objective | None) -> str:
    for each in (objective,) if objective else DEFAULTS:
        if (value := each.of(figures)) is not None:
            return f", {each.name} = {value:g}"
    return ""
