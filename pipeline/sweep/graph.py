"""dvc.yaml for sweeps, and which stages several jobs share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from pipeline.config.load import DVC_YAML, groups_in
from pipeline.errors import UserError, nearest
from pipeline.files.yaml_text import read_yaml
from pipeline.store.items import key

COMPOSE = "compose"
"""The stage that every job runs itself: its input, params.yaml, differs in each job."""


@dataclass(frozen=True)
class Stage:
    """`kept` are outputs that git keeps (`cache: false`), `cached` those that DVC keeps."""

    name: str
    groups: tuple[str, ...]
    deps: tuple[str, ...]
    cached: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def outs(self) -> tuple[str, ...]:
        return self.cached + self.kept


@dataclass(frozen=True)
class Segment:
    """Stages shared by the same jobs; `needs`: the cached outputs that they read."""

    key: str
    stages: tuple[str, ...]
    needs: tuple[str, ...]
    is_shared: bool


@cache
def stages() -> dict[str, Stage]:
    """Every stage of dvc.yaml, in order of dependency."""
    content = read_yaml(DVC_YAML)["stages"]
    every = {name: _stage(name, entry) for name, entry in content.items()}
    ordered: dict[str, Stage] = {}
    while len(ordered) < len(every):
        ready = [
            each for each in every.values()
            if each.name not in ordered and all(up in ordered for up in _upstream(each, every.values()))
        ]  # fmt: skip
        assert ready, "dvc.yaml has a cycle"
        ordered |= {each.name: each for each in ready}
    return ordered


def _stage(name: str, entry: Mapping[str, Any]) -> Stage:
    outs: dict[bool, list[str]] = {True: [], False: []}
    for kind in ("outs", "metrics", "plots"):
        for out in entry.get(kind, []):
            path, settings = (out, {}) if isinstance(out, str) else next(iter(out.items()))
            outs[settings.get("cache", True)].append(path)
    groups = tuple(groups_in(entry))
    return Stage(name, groups, tuple(entry.get("deps", [])), tuple(outs[True]), tuple(outs[False]))


def _upstream(stage: Stage, every: Iterable[Stage]) -> list[str]:
    return [
        other.name
        for other in every
        if other.name != stage.name and any(_within(dep, out) for dep in stage.deps for out in other.outs)
    ]


def _within(path: str, other: str) -> bool:
    first, second = PurePosixPath(path), PurePosixPath(other)
    return first == second or second in first.parents or first in second.parents


def upstream(stage: Stage) -> list[str]:
    """Names of the stages that it reads outputs of."""
    return _upstream(stage, stages().values())


def stages_for(targets: Sequence[str]) -> list[str]:
    """The targets and their dependencies, in order; without targets all stages."""
    problems = [
        f"--target {name}: no such stage; {nearest(name, stages())}"
        for name in targets
        if name not in stages()
    ]
    if problems:
        raise UserError(*problems)
    names = set(targets or stages())
    waiting = list(names)
    while waiting:
        new = [name for name in upstream(stages()[waiting.pop()]) if name not in names]
        names.update(new)
        waiting += new
    return [name for name in stages() if name in names and name != COMPOSE]


def stage_keys(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """A key for each stage's result with a configuration: equal keys mean equal results."""
    keys: dict[str, str] = {}
    for name in names:
        stage = stages()[name]
        above = [keys[other] for other in upstream(stage) if other in keys]
        keys[name] = key(stage=name, params={group: values[group] for group in stage.groups}, above=above)
    return keys


def segments(keys: Sequence[Mapping[str, str]]) -> list[list[Segment]]:
    """Each job's stages, grouped by the jobs that share them. `keys`: `stage_keys` of each job."""
    sharers: dict[str, list[int]] = {}
    for number, of_job in enumerate(keys):
        for each in of_job.values():
            sharers.setdefault(each, []).append(number)
    return [_segments(of_job, sharers) for of_job in keys]


def _segments(of_job: Mapping[str, str], sharers: Mapping[str, list[int]]) -> list[Segment]:
    grouped: dict[tuple[int, ...], list[str]] = {}
    for name, each in of_job.items():
        grouped.setdefault(tuple(sharers[each]), []).append(name)
    return [
        Segment(
            key(stages=[of_job[name] for name in names]), tuple(names), _needs(names), is_shared=len(jobs) > 1
        )
        # A stage never has more sharers than a stage above it, so dependencies come first.
        for jobs, names in sorted(grouped.items(), key=lambda entry: -len(entry[0]))
    ]


def _needs(names: Sequence[str]) -> tuple[str, ...]:
    """Includes outputs made in the segment: an unchanged stage is skipped, but one below it may run."""
    deps = [dep for name in names for dep in stages()[name].deps]
    outs = [out for stage in stages().values() for out in stage.cached]
    return tuple(sorted(out for out in outs if any(_within(dep, out) for dep in deps)))
