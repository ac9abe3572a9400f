"""The configuration for one stage: only the groups that dvc.yaml lists for it."""

from collections.abc import Collection, Sequence
from typing import Any

from pipeline.config.check import check, resolve
from pipeline.config.graph_file import CODE, DVC_LOCK, RESOLVED_PARAMS, read_own_yaml, stage_entries
from pipeline.config.rules import doubtful
from pipeline.errors import UserError, warn
from pipeline.schemas import Config


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
    if not RESOLVED_PARAMS.exists():
        raise UserError(f"{RESOLVED_PARAMS} is missing; `dvc repro compose` writes it")
    return {key: value for key, value in read_own_yaml(RESOLVED_PARAMS).items() if key != CODE}


def listed_groups(stage: str) -> list[str]:
    """Groups of params.resolved.yaml under the stage's `params:` in dvc.yaml."""
    return list(stage_entries()[stage].groups)


def configured_stages() -> list[str]:
    """Names of the stages that read params.resolved.yaml, in the order of dvc.yaml."""
    return [name for name, entry in stage_entries().items() if entry.groups]


def locked_code() -> dict[str, str]:
    """By stage: hash of the code that made its results in dvc.lock."""
    if not DVC_LOCK.exists():
        return {}
    stages = read_own_yaml(DVC_LOCK)["stages"]
    params = {name: said.get("params", {}).get(RESOLVED_PARAMS.name, {}) for name, said in stages.items()}
    return {name: given[key] for name, given in params.items() if (key := f"{CODE}.{name}") in given}
