"""Runs a sweep and cleans up after it, however it ends."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files.locks import locked_now
from pipeline.mend import mend
from pipeline.sweep.jobs import HOME, SweepJob
from pipeline.sweep.launch import Launcher
from pipeline.sweep.metrics import SweepObjective
from pipeline.sweep.report_lines import lines
from pipeline.sweep.results import existing
from pipeline.sweep.work import GRACE_S
from pipeline.sweep.worktrees import STOP, sweep_up, tidy


@contextmanager
def sweeping(root: Path) -> Iterator[None]:
    """Jobs may run inside; afterwards no worktree, process or lock of theirs is left. First cleans up after a
    killed sweep.
    """
    own = (root / HOME).with_suffix(".lock")
    with locked_now(own) as is_free:
        if not is_free:
            raise UserError("a sweep is already running in this project; wait until it ends")
        mend(root)
        stop = root / HOME / STOP
        await_jobs(root)
        if gone := sweep_up(root):
            print(f"cleaned up after a killed sweep: {', '.join(gone)}", file=sys.stderr)
        tidy(root)
        stop.unlink(missing_ok=True)
        try:
            yield
        except BaseException:
            stop.parent.mkdir(parents=True, exist_ok=True)
            stop.touch()
            await_jobs(root)
            raise
        finally:
            stop.unlink(missing_ok=True)
            tidy(root)
            own.unlink(missing_ok=True)


def await_jobs(root: Path) -> None:
    """Waits until jobs of a stopped or killed sweep have ended."""
    end = time.monotonic() + 1.5 * GRACE_S
    while time.monotonic() < end and any(map(_is_held, (root / HOME / "locks").glob("*.lock"))):
        time.sleep(0.1)


def _is_held(lock: Path) -> bool:
    with locked_now(lock) as is_free:
        return not is_free


def run_missing(jobs: Sequence[SweepJob], launcher: Launcher, objectives: Sequence[SweepObjective]) -> None:
    """Runs the jobs that have no experiment yet."""
    missing = [job for job in jobs if existing(job) is None]
    for job in jobs:
        job.result.unlink(missing_ok=True)
    if len(missing) < len(jobs):
        print(f"{len(jobs) - len(missing)} of {len(jobs)} jobs are already made", file=sys.stderr)
    if missing:
        with lines(missing, objectives):
            launcher.launch(missing)
