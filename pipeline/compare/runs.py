"""A run as git and DVC store it: settings, figures, curves and sizes, read from its commit."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.config.compose import flatten
from pipeline.config.graph_file import CODE, RESOLVED_PARAMS
from pipeline.errors import UserError, nearest
from pipeline.files.yaml_text import parse_yaml
from pipeline.sweep.in_worktree import SECONDS
from pipeline.sweep.jobs import git
from pipeline.sweep.results import committed_figures

NETWORK = "models/network"
LossCurve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class ComparedRun:
    """`revision`: its commit's hash; `name`: the experiment's, or what the user called the commit."""

    name: str
    revision: str
    is_experiment: bool

    @cached_property
    def settings(self) -> dict[str, Any]:
        """By dotted key."""
        text = git("show", f"{self.revision}:{RESOLVED_PARAMS}")
        values = parse_yaml(text, f"{self.name}: {RESOLVED_PARAMS}")
        return flatten({key: value for key, value in values.items() if key != CODE})

    @cached_property
    def figures(self) -> dict[str, float]:
        return committed_figures(self.revision)

    @property
    def has_stage_figures(self) -> bool:
        """Whether this machine has more figures than metrics/run.json, which git keeps."""
        return any(not name.startswith("run.") for name in self.figures)

    @cached_property
    def seconds(self) -> float | None:
        """How long the job took; None if no sweep made the run."""
        message = git("log", "-1", "--format=%B", self.revision)
        match = re.search(rf"^{SECONDS}: ([0-9]{{1,12}}(?:\.[0-9]{{1,12}})?)$", message, re.M)
        return float(match[1]) if match else None

    @cached_property
    def network_bytes(self) -> int | None:
        """Bytes of models/network/, all epochs."""
        content = parse_yaml(git("show", f"{self.revision}:dvc.lock"), f"{self.name}: dvc.lock")
        outs = [out for stage in content["stages"].values() for out in stage.get("outs", [])]
        return next((out.get("size") for out in outs if out["path"] == NETWORK), None)

    def table(self, path: str) -> list[dict[str, str]]:
        """Rows of a CSV file in the commit; empty if it has no such file."""
        if not git("ls-tree", "--name-only", self.revision, path).strip():
            return []
        return list(csv.DictReader(io.StringIO(git("show", f"{self.revision}:{path}"))))


def find_runs(names: Sequence[str]) -> list[ComparedRun]:
    """Experiments by name or ref, or commits by anything that git accepts; without names the experiments that
    start from HEAD.
    """
    experiments = _experiments()
    if not names:
        head = git("rev-parse", "HEAD").strip()
        runs = [run for ref, run in experiments.items() if ref.startswith(f"{head[:2]}/{head[2:]}/")]
        if not runs:
            raise UserError(
                "no experiment starts from this commit; name experiments (`dvc exp list --all`) or"
                " commits, or make some: `python -m pipeline.sweep -m network.dim=4,8`"
            )
        return runs
    runs, problems = list[ComparedRun](), list[str]()
    for name in dict.fromkeys(names):
        own = name.removeprefix("refs/exps/")
        matching = [run for ref, run in experiments.items() if ref == own or run.name == name]
        if len(matching) > 1:
            problems.append(f"{len(matching)} experiments are named {name}; give the hash of one instead")
        try:
            runs.append(matching[0] if matching else _commit(name))
        except UserError:
            known = [run.name for run in experiments.values()]
            problems.append(f"{name} is neither an experiment nor a commit; {nearest(name, known)}")
    if problems:
        raise UserError(*problems)
    return runs


def _experiments() -> dict[str, ComparedRun]:
    """Experiments by ref below refs/exps (baseline and name)."""
    lines = git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps/").splitlines()
    by_ref: dict[str, ComparedRun] = {}
    for line in lines:
        ref, _, revision = line.partition(" ")
        parts = ref.removeprefix("refs/exps/").split("/")
        if len(parts) == 3 and len(parts[0]) == 2:
            by_ref["/".join(parts)] = ComparedRun(parts[2], revision, is_experiment=True)
    return by_ref


def _commit(name: str) -> ComparedRun:
    revision = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    return ComparedRun(name, revision, is_experiment=False)


def varied(runs: Sequence[ComparedRun]) -> list[str]:
    """Settings in which the runs differ."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    missing = object()
    return [
        key
        for key in sorted(keys)
        if any(run.settings.get(key, missing) != runs[0].settings.get(key, missing) for run in runs[1:])
    ]


def loss_curves(run: ComparedRun) -> Mapping[str, LossCurve]:
    """Curves by title: the training loss by step; the loss on fixed noise, averaged over noise levels."""
    curves: dict[str, LossCurve] = {}
    if rows := run.table("plots/train/loss.csv"):
        curves["training loss"] = smoothed([(float(row["step"]), float(row["loss"])) for row in rows])
    levels: dict[str, dict[float, list[float]]] = {}
    for row in run.table("plots/train/validation.csv"):
        levels.setdefault(row["side"], {}).setdefault(float(row["step"]), []).append(float(row["loss"]))
    for side, title in (("held_out", "held-out pictures"), ("train", "training pictures")):
        if side in levels:
            curves[f"loss on fixed noise, {title}"] = [
                (step, sum(each) / len(each)) for step, each in sorted(levels[side].items())
            ]
    return curves


SMOOTHING = 0.95


def smoothed(curve: LossCurve) -> LossCurve:
    """An exponential mean, corrected for the start's bias, at most 200 points: single steps depend on their
    noise level.
    """
    mean, weight, points = 0.0, 0.0, []
    for step, loss in curve:
        mean, weight = SMOOTHING * mean + (1 - SMOOTHING) * loss, SMOOTHING * weight + (1 - SMOOTHING)
        points.append((step, mean / weight))
    every = max(1, len(points) // 200)
    return points[::-1][::every][::-1]
