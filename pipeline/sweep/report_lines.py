"""Prints a line to stderr when a job starts or ends on any machine, from the results' files."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.printable import printable
from pipeline.sweep.jobs import SweepJob
from pipeline.sweep.metrics import SweepObjective, judged_by
from pipeline.sweep.results import left_by

REPORT_POLL_S = 0.3


@contextmanager
def lines(jobs: Sequence[SweepJob], objectives: Sequence[SweepObjective] = ()) -> Iterator[None]:
    """Reports these jobs while inside."""
    ended, reported = threading.Event(), dict[str, str]()
    total = len(jobs)

    def look() -> None:
        for job in jobs:
            result = left_by(job)
            if result and reported.get(job.name) != result["status"]:
                reported[job.name] = result["status"]
                done = sum(status != "running" for status in reported.values())
                print(
                    f"[{done}/{total}] {printable(line(job, result, objectives))}",
                    file=sys.stderr,
                    flush=True,
                )

    def watch() -> None:
        while not ended.wait(REPORT_POLL_S):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        look()


def line(job: SweepJob, result: dict[str, Any], objectives: Sequence[SweepObjective] = ()) -> str:
    status = result["status"]
    if status == "done":
        took = f" in {result['seconds']:.0f} s" if "seconds" in result else ", already made"
        return f"{job.name}: done{took}{_score(result['figures'], objectives)}"
    if status == "pruned":
        return f"{job.name}: pruned after epoch {result['epoch']}"
    if status == "failed":
        return f"{job.name}: failed: {result['reason'].splitlines()[-1]}"
    return f"{job.name}: running"


def _score(figures: dict[str, float], objectives: Sequence[SweepObjective]) -> str:
    return "".join(f", {each.name} = {value:g}" for each, value in judged_by(figures, objectives))
