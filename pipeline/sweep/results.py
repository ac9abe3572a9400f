"""What became of each job: from its experiment, or from the file that it left."""

import json
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import UserError
from pipeline.sweep.committed import names_in, read_committed
from pipeline.sweep.jobs import Job, git
from pipeline.sweep.metrics import flat


def existing(job: Job) -> dict[str, Any] | None:
    """The result of a job whose experiment has been saved, by this sweep or one before."""
    try:
        git("rev-parse", "--verify", "--quiet", job.ref, root=job.root)
    except UserError:
        return None
    return {"status": "done", "figures": committed_figures(job.ref, job.root)}


def committed_figures(revision: str | None, root: str = ".") -> dict[str, float]:
    """Every number below metrics/ in a commit, None for the working tree, by `<file>.<key>.<key>`; of files
    that are not to be had, nothing.
    """
    found: dict[str, float] = {}
    names = [PurePosixPath(name) for name in names_in(revision, "metrics", root)]
    for path in (name for name in names if name.suffix == ".json"):
        with suppress(FileNotFoundError):
            found |= flat(json.loads(read_committed(revision, str(path), root)), path.stem)
    return found


def left_by(job: Job) -> dict[str, Any] | None:
    """What the job's file says; None of a job that has not begun."""
    try:
        found: dict[str, Any] = json.loads(job.result.read_text())
    except FileNotFoundError:
        return None
    return found


def result_of(job: Job) -> dict[str, Any]:
    """A job that left no file never began, or was ended from outside."""
    return left_by(job) or existing(job) or {"status": "missing"}
