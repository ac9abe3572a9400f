"""dvc.yaml for sweeps, and which stages several jobs share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from typing import Any

from pipeline.config.graph_file import DVC_YAML, RESOLVED_PARAMS, groups_of
from pipeline.errors import UserError, nearest
from pipeline.store.items import key

COMPOSE = "compose"
"""The stage that every job runs itself: its input, params.yaml, differs in each job."""


@dataclass(frozen=True)
class GraphStage:
    """`kept` are outputs that git keeps (`cache: false`), `cached` those that DVC does; `above`: the stages
    whose outputs it reads.
    """

    name: str
    groups: tuple[str, ...]
    deps: tuple[str, ...]
    cached: tuple[str, ...]
    kept: tuple[str, ...]
    above: tuple[str, ...]

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
def stages() -> dict[str, GraphStage]:
    """Every stage of dvc.yaml, each after those that it depends on, by DVC's own index."""
    from dvc.repo import Repo

    with Repo() as repo:
        index = repo.index
        own = {stage.name: stage for stage in index.stages if stage.path_in_repo == str(DVC_YAML)}
        above = {
            name: [other.name for other in own.values() if index.graph.has_edge(stage, other)]
            for name, stage in own.items()
        }
        return {name: _stage(own[name], above[name]) for name in TopologicalSorter(above).static_order()}


def _stage(stage: Any, above: Sequence[str]) -> GraphStage:
    """`stage`: DVC's."""
    from dvc.dependency import ParamsDependency

    params = {dep.def_path: dep.params for dep in stage.deps if isinstance(dep, ParamsDependency)}
    return GraphStage(
        stage.name,
        groups_of(params.get(RESOLVED_PARAMS.name, [])),
        deps=tuple(dep.def_path for dep in stage.deps if dep.def_path not in params),
        cached=tuple(out.def_path for out in stage.outs if out.use_cache),
        kept=tuple(out.def_path for out in stage.outs if not out.use_cache),
        above=tuple(above),
    )


def _within(path: str, other: str) -> bool:
    first, second = PurePosixPath(path), PurePosixPath(other)
    return first == second or second in first.parents or first in second.parents


def stages_for(targets: Sequence[str]) -> list[str]:
    """The targets and all that they depend on, in order; without targets every stage."""
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
        new = [name for name in stages()[waiting.pop()].above if name not in names]
        names.update(new)
        waiting += new
    return [name for name in stages() if name in names and name != COMPOSE]


def stage_keys(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """A key for each stage's result with a configuration: equal keys mean equal results."""
    keys: dict[str, str] = {}
    for name in names:
        stage = stages()[name]
        above = [keys[other] for other in stage.above if other in keys]
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
