"""Runs one job inside its worktree: `python -m pipeline.sweep.in_worktree JOB.json`.

One DVC process for the whole job: shared stages are made once under a lock and copied by the other jobs, then
the rest runs, and the experiment is saved.
"""

import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM
from typing import Any

from pipeline.command import run
from pipeline.config.graph_file import DVC_LOCK
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.locks import locked
from pipeline.sweep.graph import COMPOSE, Segment, stages
from pipeline.sweep.jobs import SweepJob
from pipeline.sweep.results import committed_figures
from pipeline.sweep.worktrees import STOP

SECONDS = "Seconds"
"""Trailer of the experiment's commit: how long the job took. Outputs contain no times."""


def main(arguments: Sequence[str] = ()) -> None:
    started = time.monotonic()
    job = SweepJob.of_json(Path(arguments[0]).read_text())
    threading.Thread(target=_end_with, args=(os.getppid(), job.home / STOP), daemon=True).start()
    from dvc.repo import Repo

    with Repo() as repo:
        repo.reproduce(targets=[COMPOSE])
    for segment in job.segments:
        take_over_or_make(segment, job.home) if segment.is_shared else make(segment)
    forget_others(job)
    figures = committed_figures(None)
    seconds = time.monotonic() - started
    save(job, seconds)
    write_json(job.result, {"status": "done", "seconds": round(seconds, 1), "figures": figures})


def make(segment: Segment) -> None:
    """Runs the segment's changed stages; fetches outputs of earlier stages only if they are read."""
    from dvc.exceptions import CheckoutError
    from dvc.repo import Repo

    with Repo() as repo:
        try:
            if segment.needs and DVC_LOCK.exists():
                repo.checkout(targets=list(segment.needs), force=True, allow_missing=False)
        except CheckoutError:  # not in the cache: made or pulled, stage by stage
            repo.reproduce(targets=list(segment.stages), pull=bool(repo.config["core"].get("remote")))
            return
        repo.reproduce(targets=list(segment.stages), allow_missing=True)


def take_over_or_make(segment: Segment, home: Path) -> None:
    """The first job makes the segment and stores its dvc.lock entries and the outputs that git keeps; the
    other jobs copy them.
    """
    record = home / "shared" / segment.key
    kept = [path for name in segment.stages for path in stages()[name].kept]
    with locked(home / "locks" / segment.key):
        if not record.exists():
            make(segment)
            with new_folder(record) as folder:
                for path in (DVC_LOCK, *map(Path, kept)):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, folder / path)
            return
    for path in map(Path, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(record / path, path)
    adopt(record / DVC_LOCK, segment.stages)


def adopt(source: Path, names: Sequence[str]) -> None:
    """Copies the stages' entries of another dvc.lock into ours."""
    from dvc.utils.serialize import modify_yaml

    theirs = _lock_entries(source)
    if DVC_LOCK.exists() and {name: _lock_entries(DVC_LOCK).get(name) for name in names} == {
        name: theirs[name] for name in names
    }:
        return
    with modify_yaml(str(DVC_LOCK)) as content:
        content.setdefault("schema", "2.0")
        content.setdefault("stages", {}).update({name: theirs[name] for name in names})


def _lock_entries(path: Path) -> dict[str, Any]:
    from dvc.utils.serialize import load_yaml

    entries: dict[str, Any] = load_yaml(str(path))["stages"]
    return entries


def forget_others(job: SweepJob) -> None:
    """Removes the baseline's results of stages beyond the job's targets: the experiment has none."""
    from dvc.utils.serialize import modify_yaml

    own = {name for segment in job.segments for name in segment.stages} | {COMPOSE}
    for name in stages().keys() - own:
        for path in stages()[name].kept:
            Path(path).unlink(missing_ok=True)
    with modify_yaml(str(DVC_LOCK)) as content:
        content["stages"] = {name: entry for name, entry in content["stages"].items() if name in own}


def save(job: SweepJob, seconds: float) -> None:
    """`dvc exp save`, under a lock: all worktrees share the refs that DVC writes."""
    from dvc.repo import Repo

    message = f"sweep: {' '.join(job.overrides)}\n\n{SECONDS}: {seconds:.1f}\n"
    with locked(job.home / "locks" / "save"), Repo() as repo:
        # Results are already in dvc.lock and the cache; the worktree need not have them.
        repo.experiments.save(targets=[COMPOSE], name=job.name, force=True, message=message)


def _end_with(parent: int, stop: Path) -> None:
    """Ends this process and its children when its parent is gone or the sweep is stopped."""
    while os.getppid() == parent and not stop.exists():
        time.sleep(0.5)
    os.killpg(os.getpgid(0), SIGTERM)


if __name__ == "__main__":
    run(main)
