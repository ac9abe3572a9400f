"""The jobs of a sweep: settings, names, and shared stages. All are checked before any starts."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.config.check import check, resolve
from pipeline.config.compose import groups, read_params, with_overrides
from pipeline.errors import UserError
from pipeline.grid.problems import axes_problems
from pipeline.schemas import Config
from pipeline.store.items import key
from pipeline.sweep.grammar import JobOverrides
from pipeline.sweep.graph import Segment, segments, stage_keys, stages_for

HOME = Path(".athanor/sweeps")
"""Worktrees, locks, logs and searches; only logs of failures and searches stay after a sweep."""
NAME_LENGTH = 60


@dataclass(frozen=True)
class Trial:
    """The job's trial in a search: the study's database and name, the trial's number. `minimize`: the study's
    direction; None with several measures, where nothing is pruned.
    """

    storage: str
    study: str
    id: int
    minimize: bool | None


@dataclass(frozen=True)
class SweepJob:
    """`root`: the project's folder; `baseline`: the commit that it starts from; `cache`: DVC's folder;
    `threads`: how many it may use; `tree`: a git tree whose files replace the commit's.
    """

    name: str
    root: str
    baseline: str
    overrides: JobOverrides
    segments: tuple[Segment, ...]
    cache: str
    threads: int = 1
    trial: Trial | None = None
    tree: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_json(cls, text: str) -> "SweepJob":
        values = json.loads(text)
        return cls(**{
            **values,
            "overrides": tuple(values["overrides"]),
            "trial": Trial(**values["trial"]) if values["trial"] else None,
            "segments": tuple(
                Segment(**{**each, "stages": tuple(each["stages"]), "needs": tuple(each["needs"])})
                for each in values["segments"]
            ),
        })  # fmt: skip

    @property
    def home(self) -> Path:
        return Path(self.root) / HOME

    @property
    def worktree(self) -> Path:
        return self.home / "worktrees" / self.name

    @property
    def lock(self) -> Path:
        return self.home / "locks" / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        return self.home / "logs" / f"{self.name}.log"

    @property
    def result(self) -> Path:
        return self.home / "results" / f"{self.name}.json"

    @property
    def ref(self) -> str:
        """The git ref of its experiment."""
        return f"refs/exps/{self.baseline[:2]}/{self.baseline[2:]}/{self.name}"


def make_jobs(sets: Sequence[JobOverrides], targets: Sequence[str], baseline: str) -> list[SweepJob]:
    """A job for each distinct set of overrides; one user error lists all mistakes."""
    distinct: dict[str, tuple[JobOverrides, dict[str, str]]] = {}
    problems: dict[str, None] = {}
    names = stages_for(targets)
    for overrides in sets:
        try:
            keys = stage_keys(checked(overrides).values(), names)
        except UserError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        distinct.setdefault(key(stages=keys), (overrides, keys))
    if problems:
        raise UserError(*problems)
    parts = segments([keys for _, keys in distinct.values()])
    root, cache = str(Path.cwd()), dvc_cache()
    return [
        SweepJob(name_of(overrides, targets), root, baseline, overrides, tuple(own), cache)
        for (overrides, _), own in zip(distinct.values(), parts, strict=True)
    ]


def dvc_cache() -> str:
    """Folder of the project's DVC cache."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise UserError(f"`dvc cache dir` failed: {ended.stderr.strip()}")
    return ended.stdout.strip()


def checked(overrides: JobOverrides) -> Config:
    """The configuration of one job."""
    config = check(resolve(with_overrides(read_params(), overrides)))
    problems = list(axes_problems(config.sample_grid))
    if config.merge.epoch == "voted":
        problems.append(
            "merge.epoch is voted, but a job draws a grid of its own, on which nobody has voted; add"
            " merge.epoch=best"
        )
    if problems:
        raise UserError(*problems)
    return config


def name_of(overrides: JobOverrides, targets: Sequence[str]) -> str:
    """A readable name with a hash: `dim4-alpha2-lr1e-4-3fa29c01`. Equal values give equal names, so that a
    second sweep finds the results of the first.
    """
    parts = [override.partition("=") for override in overrides]
    readable = "-".join(
        f"{key_ if key_ in groups() else key_.rpartition('.')[2]}{'-' if key_ in groups() else ''}{value}"
        for key_, _, value in parts
    )
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", readable)[:NAME_LENGTH].strip("-._").replace("..", "_")
    return f"{readable or 'as-is'}-{key(overrides=sorted(overrides), targets=sorted(targets))[:8]}"


def git(*arguments: str, root: str | Path = ".") -> str:
    """Output of a git command; a failure is a user error with git's message."""
    ended = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False, errors="replace"
    )
    if ended.returncode:
        raise UserError(f"git {' '.join(arguments)}: {ended.stderr.strip()}")
    return ended.stdout


def clean_baseline() -> str:
    """HEAD's hash; a user error names files that differ from it, since jobs start from the commit."""
    lines = git("status", "--porcelain", "--untracked-files=all").splitlines()
    if lines:
        shown = ", ".join(line[3:] for line in lines[:8]) + (" ..." if len(lines) > 8 else "")
        raise UserError(
            f"jobs start from the last commit, but these files differ from it: {shown};"
            " `git commit` them (or `git stash --include-untracked`), then rerun the command"
        )
    return git("rev-parse", "HEAD").strip()
