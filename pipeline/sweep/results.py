"""The result of each job: from its experiment, or from its result file."""

import json
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import UserError
from pipeline.sweep.committed import names_in, read_committed
from pipeline.sweep.jobs import SweepJob, git
from pipeline.sweep.metrics import flat


def existing(job: SweepJob) -> dict[str, Any] | None:
    """The result of a job with a saved experiment, from this sweep or an earlier one."""
    try:
        git("rev-parse", "--verify", "--quiet", job.ref, root=job.root)
    except UserError:
        return None
    return {"status": "done", "figures": committed_figures(job.ref, job.root)}


def committed_figures(revision: str | None, root: str = ".") -> dict[str, float]:
    """Every number below metrics/ in a commit, None for the working tree, by `<file>.<key>.<key>`; skips
    unavailable files.
    """
    figures: dict[str, float] = {}
    names = [PurePosixPath(name) for name in names_in(revision, "metrics", root)]
    for path in (name for name in names if name.suffix == ".json"):
        with suppress(FileNotFoundError):
            figures |= flat(json.loads(read_committed(revision, str(path), root)), path.stem)
    return figures


def left_by(job: SweepJob) -> dict[str, Any] | None:
    """The content of the job's result file; None if the job has not started."""
    try:
        result: dict[str, Any] = json.loads(job.result.read_text())
    except FileNotFoundError:
        return None
    return result


def result_of(job: SweepJob) -> dict[str, Any]:
    """A job without a result never started, or was killed."""
    return left_by(job) or existing(job) or {"status": "missing"}
