"""The configuration for one stage: only the groups that dvc.yaml lists for it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config.check import check, resolve
from pipeline.config.rules import doubtful
from pipeline.config.schemas import Config
from pipeline.errors import UserError, warn
from pipeline.files.yaml_text import read_yaml

RESOLVED = Path("params.resolved.yaml")
DVC_YAML, DVC_LOCK = Path("dvc.yaml"), Path("dvc.lock")
CODE = "code"
"""Key for the hash of each stage's code (pipeline/code), next to the groups."""


def load(stage: str, overrides: Sequence[str] = (), by_hand: bool = False) -> Config:
    """The stage's groups, frozen. In the graph they come from params.resolved.yaml; by hand, or with
    overrides, they are composed again, so that an edit of params.yaml takes effect at once.
    """
    if by_hand or overrides:
        whole = composed(overrides, listed_groups(stage))
        _warn_of_new_doubts(whole)
    else:
        whole = check(read_resolved())
    return Config.model_construct(**{group: getattr(whole, group) for group in listed_groups(stage)})


def composed(overrides: Sequence[str] = (), groups: Collection[str] | None = None) -> Config:
    """The whole configuration from conf/, params.yaml and the overrides as they are now; the models of
    `groups` must exist (None: of all groups).
    """
    from pipeline.config.compose import read_params, with_overrides
    from pipeline.config.lock import lock

    return check(lock(resolve(with_overrides(read_params(), overrides)), groups))


def _warn_of_new_doubts(whole: Config) -> None:
    """Warns of doubts that the last `compose` has not reported."""
    try:
        known = doubtful(check(read_resolved()))
    except UserError:  # none yet, or of an older version
        known = []
    for sentence in doubtful(whole):
        if sentence not in known:
            warn(sentence)


def read_resolved() -> dict[str, Any]:
    """params.resolved.yaml as plain values, without the hashes of code."""
    if not RESOLVED.exists():
        raise UserError(f"{RESOLVED} is missing; `dvc repro compose` writes it")
    return {key: value for key, value in _mapping(RESOLVED).items() if key != CODE}


def listed_groups(stage: str) -> list[str]:
    """Groups of params.resolved.yaml under the stage's `params:` in dvc.yaml."""
    return groups_in(in_graph(stage))


def groups_in(entry: Mapping[str, Any]) -> list[str]:
    """The groups in a stage's entry of dvc.yaml, without its code."""
    listed = [each for each in entry.get("params", []) if isinstance(each, dict)]
    names = [name for each in listed for name in each.get(RESOLVED.name, [])]
    return [name for name in names if not name.startswith(f"{CODE}.")]


def configured_stages() -> list[str]:
    """Names of the stages that read params.resolved.yaml, in the order of dvc.yaml."""
    return [name for name in stages() if listed_groups(name)]


def locked_code() -> dict[str, str]:
    """By stage: hash of the code that made its results in dvc.lock."""
    if not DVC_LOCK.exists():
        return {}
    stages = _mapping(DVC_LOCK)["stages"]
    params = {name: entry.get("params", {}).get(RESOLVED.name, {}) for name, entry in stages.items()}
    return {name: given[key] for name, given in params.items() if (key := f"{CODE}.{name}") in given}


def in_graph(stage: str) -> dict[str, Any]:
    """The stage's entry in dvc.yaml."""
    entry: dict[str, Any] = stages()[stage]
    return entry


def stages() -> dict[str, dict[str, Any]]:
    """Each stage's entry in dvc.yaml."""
    entries: dict[str, dict[str, Any]] = _mapping(DVC_YAML)["stages"]
    return entries


def _mapping(path: Path) -> dict[str, Any]:
    """One of our YAML files, read by libyaml: every stage reads two before it starts to work."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys and values; restore it with `git checkout -- {path}`")
    return content
