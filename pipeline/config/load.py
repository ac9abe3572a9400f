"""The configuration as one stage sees it: the groups that dvc.yaml lists for it and no others."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.check import check, resolve
from pipeline.config.rules import doubtful
from pipeline.config.schemas import Config
from pipeline.errors import UserError, warn

RESOLVED = Path("params.resolved.yaml")
DVC_YAML = Path("dvc.yaml")


def load(stage: str, overrides: Sequence[str] = (), by_hand: bool = False) -> Config:
    """The stage's groups, frozen. In the graph they come from params.resolved.yaml; by hand, or with
    overrides, they are composed anew, so that an edit of params.yaml counts at once.
    """
    if by_hand or overrides:
        whole = composed(overrides, listed_groups(stage))
        _tell_new_doubts(whole)
    else:
        whole = check(read_resolved())
    return Config.model_construct(**{group: getattr(whole, group) for group in listed_groups(stage)})


def composed(overrides: Sequence[str] = (), groups: Collection[str] | None = None) -> Config:
    """The whole configuration that conf/, params.yaml and the overrides stand for now; the models of `groups`
    must be there (None: of all).
    """
    from pipeline.config.compose import read_params, with_overrides
    from pipeline.config.lock import lock

    return check(lock(resolve(with_overrides(read_params(), overrides)), groups))


def _tell_new_doubts(whole: Config) -> None:
    """Warns of what came after the last `compose`, which has told of the rest."""
    try:
        known = doubtful(check(read_resolved()))
    except UserError:  # none yet, or of an older version
        known = []
    for sentence in doubtful(whole):
        if sentence not in known:
            warn(sentence)


def read_resolved() -> dict[str, Any]:
    """params.resolved.yaml as plain values."""
    if not RESOLVED.exists():
        raise UserError(f"{RESOLVED} is missing; `dvc repro compose` writes it")
    return _mapping(RESOLVED)


def listed_groups(stage: str) -> list[str]:
    """Groups of params.resolved.yaml under the stage's `params:` in dvc.yaml."""
    listed = [entry for entry in in_graph(stage).get("params", []) if isinstance(entry, dict)]
    return [group for entry in listed for group in entry.get(RESOLVED.name, [])]


def in_graph(stage: str) -> dict[str, Any]:
    """What dvc.yaml says of the stage."""
    said: dict[str, Any] = stages()[stage]
    return said


def stages() -> dict[str, dict[str, Any]]:
    """What dvc.yaml says of each stage."""
    said: dict[str, dict[str, Any]] = _mapping(DVC_YAML)["stages"]
    return said


def _mapping(path: Path) -> dict[str, Any]:
    """A YAML file of ours, by libyaml: every stage reads two before its first line of work."""
    content = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    assert isinstance(content, dict)
    return content
