"""Which stages are out of date, as far as small files say: dvc.yaml, dvc.lock, the settings and decisions.

`dvc status` also hashes folders and takes seconds; this takes milliseconds and misses changes inside them.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.graph_file import (
    CODE,
    DVC_LOCK,
    DVC_YAML,
    RESOLVED_PARAMS,
    StageEntry,
    meet,
    read_own_yaml,
    stage_entries,
)

MOST_HASHED = 4 << 20
"""Bytes of a file that is hashed."""
SETTINGS_STAGE = "compose"
"""Its results are settings, which mostly stay: the next stages are not called stale with it."""
BOOL_WORDS = {False: ("off", "no", "n"), True: ("on", "yes", "y")}
"""Texts that YAML 1.1 takes for a bool."""
NUMBER = re.compile(r"[-+]?[0-9.]{1,30}[eE][-+]?[0-9]{1,3}")


def stale_stages() -> list[str]:
    """In the graph's order; those that never ran, and what comes after a stale one, among them."""
    if not DVC_YAML.exists():
        return []
    locked = read_own_yaml(DVC_LOCK)["stages"] if DVC_LOCK.exists() else {}
    resolved = read_own_yaml(RESOLVED_PARAMS) if RESOLVED_PARAMS.exists() else {}
    return stale_of(stage_entries(), locked, resolved)


def stale_of(
    stages: Mapping[str, StageEntry], locked: Mapping[str, Any], resolved: Mapping[str, Any]
) -> list[str]:
    """`locked`: the stages of dvc.lock; `resolved`: params.resolved.yaml."""
    made = {out["path"]: out.get("md5") for said in locked.values() for out in said.get("outs", [])}
    stale = list[str]()
    for name, entry in stages.items():
        said = locked.get(name)
        before = (out for other in stale if other != SETTINGS_STAGE for out in stages[other].outs)
        after = any(meet(dep, out) for out in before for dep in entry.deps)
        if said is None or after or _has_other_params(said, resolved) or _has_other_deps(said, made):
            stale.append(name)
    return stale


def _has_other_params(said: Mapping[str, Any], resolved: Mapping[str, Any]) -> bool:
    known = said.get("params", {}).get(RESOLVED_PARAMS.name, {})
    return not all(is_same(value, _value(key, resolved)) for key, value in known.items())


def is_same(locked: Any, value: Any) -> bool:
    """Whether a value of dvc.lock is this one. DVC writes YAML 1.2, where `off` and `1e-08` without quotes
    are a text and a number; YAML 1.1, as we read it, takes them for a bool and a text.
    """
    if isinstance(locked, Mapping) and isinstance(value, Mapping):
        return locked.keys() == value.keys() and all(
            is_same(each, value[key]) for key, each in locked.items()
        )
    if isinstance(locked, list) and isinstance(value, list):
        return len(locked) == len(value) and all(map(is_same, locked, value))
    if isinstance(locked, bool) and isinstance(value, str):
        return value.lower() in BOOL_WORDS[locked]
    if isinstance(locked, str) and isinstance(value, float):
        return NUMBER.fullmatch(locked) is not None and float(locked) == value
    return bool(locked == value)


def _value(key: str, resolved: Mapping[str, Any]) -> Any:
    """Of a group, or of `code.<stage>`."""
    if key.startswith(f"{CODE}."):
        return resolved.get(CODE, {}).get(key.removeprefix(f"{CODE}."))
    return resolved.get(key)


def _has_other_deps(said: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Whether a dependency is not what the stage read: another stage's result, or a small file."""
    return any(_now(dep["path"], made, dep.get("md5")) != dep.get("md5") for dep in said.get("deps", []))


def _now(path: str, made: Mapping[str, Any], known: Any) -> Any:
    if path in made:
        return made[path]
    file = Path(path)
    if not file.is_file() or file.stat().st_size > MOST_HASHED:
        return known
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
