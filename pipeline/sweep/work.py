"""Runs one job in a launcher's worker: worktree, process, result, cleanup."""

import json
import os
import subprocess
import sys
import time
from signal import SIGKILL, SIGTERM
from typing import Any

from pipeline.errors import UserError
from pipeline.files.atomic import write_json, write_text
from pipeline.files.locks import locked
from pipeline.sweep import worktrees
from pipeline.sweep.devices import gpu
from pipeline.sweep.jobs import SweepJob
from pipeline.sweep.results import existing

GRACE_S = 20.0
"""A training that is asked to stop writes a checkpoint first."""
LAST_LINES = 5


def work(job: SweepJob) -> dict[str, Any]:
    """Runs the job unless its experiment exists; returns its result and writes it to its file. A failure is a
    result too.
    """
    with locked(job.lock) as lock:
        if (result := existing(job)) is None:
            write_json(job.result, {"status": "running", "begun": time.time()})
            try:
                worktrees.create(job)
                with gpu(job.home) as environment:
                    result = _run(job, lock.fileno(), environment)
            except UserError as error:
                result = {"status": "failed", "reason": str(error), "log": None}
            finally:
                worktrees.remove(job)
    write_json(job.result, result)
    return result


def _run(job: SweepJob, lock: int, environment: dict[str, str]) -> dict[str, Any]:
    order = job.worktree / ".dvc" / "tmp" / "job.json"
    write_text(order, job.to_json())
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.sweep.in_worktree", str(order)],
            cwd=job.worktree,
            env={**os.environ, **environment, **_threads(job.threads)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A lock is held while any process has its file open: the job's process keeps it if we are killed.
            pass_fds=[lock],
        )
        try:
            pruned = _wait(process, job)
        finally:
            stop(process)
    if pruned is not None:
        return pruned
    if process.returncode == 0:
        result: dict[str, Any] = json.loads(job.result.read_text())
        return result
    lines = [line for line in job.log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:")] or lines[-LAST_LINES:]
    return {"status": "failed", "reason": "\n".join(errors), "log": str(job.log)}


def _wait(process: subprocess.Popen[bytes], job: SweepJob) -> dict[str, Any] | None:
    """Waits until the job ends, or until its search prunes it; then returns that result."""
    if not job.trial or job.trial.minimize is None:
        process.wait()
        return None
    from pipeline.sweep.pruning import Pruning

    pruning = Pruning(job)
    while process.poll() is None:
        if (epoch := pruning.pruned_epoch()) is not None:
            return {"status": "pruned", "epoch": epoch}
        time.sleep(0.2)
    return None


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends everything in the process's session and waits for it."""
    for number, patience_s in ((SIGTERM, GRACE_S), (SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
            end = time.monotonic() + patience_s
            while time.monotonic() < end:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return


def _threads(number: int) -> dict[str, str]:
    """Parallel trainings must share the cores, or their threads wait for each other."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: min(os.environ.get(name, str(number)), str(number), key=int) for name in names}
