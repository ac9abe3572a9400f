"""dvc.yaml as stages and light commands need it, read without DVC.

Every stage asks for its groups before its first line of work. Loading DVC would take longer (half a second)
than many a stage with nothing to do. What works with DVC anyway (pipeline/sweep/graph.py) asks DVC's own
index; `tests/house/test_graph.py` holds the two together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.yaml_text import read_yaml

DVC_LOCK = Path("dvc.lock")
DVC_YAML = Path("dvc.yaml")
RESOLVED_PARAMS = Path("params.resolved.yaml")
CODE = "code"
"""Beside the groups: the hash of each stage's code (pipeline/code)."""


@dataclass(frozen=True)
class StageEntry:
    """What dvc.yaml says of a stage: `groups` of params.resolved.yaml; paths that it reads and writes."""

    groups: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]


def stage_entries() -> dict[str, StageEntry]:
    """By the stages' names, in their order."""
    return {name: _entry(said) for name, said in read_own_yaml(DVC_YAML)["stages"].items()}


def read_own_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of ours, by libyaml: every stage reads two before its first line of work."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys and values; get it back with `git checkout -- {path}`")
    return content


def groups_of(keys: list[str]) -> tuple[str, ...]:
    """Keys of params.resolved.yaml without the hash of the stage's code, which is no group."""
    return tuple(key for key in keys if not key.startswith(f"{CODE}."))


def _entry(said: Mapping[str, Any]) -> StageEntry:
    listed = [entry for entry in said.get("params", []) if isinstance(entry, dict)]
    keys = [key for entry in listed for key in entry.get(RESOLVED_PARAMS.name, [])]
    return StageEntry(groups_of(keys), tuple(said.get("deps", [])), tuple(_outs(said)))


def _outs(said: Mapping[str, Any]) -> Iterator[str]:
    """An out with settings is a mapping of its path."""
    for kind in ("outs", "metrics", "plots"):
        for entry in said.get(kind, []):
            yield from [entry] if isinstance(entry, str) else entry


def meet(dep: str, out: str) -> bool:
    """Whether a dependency is an output, in one, or around one; both are paths as dvc.yaml writes them."""
    return dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/")
