"""Hydra's override grammar -> the values of each job: lists, `range(...)`, `glob(...)`, `choice(...)`."""

import itertools
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from pipeline.config.compose import groups, options
from pipeline.errors import UserError, nearest

JobOverrides = tuple[str, ...]


def parsed(texts: Sequence[str]) -> list[Any]:
    """Hydra's Override objects; one user error lists all invalid overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, overrides, problems = OverridesParser.create(), [], []
    for text in texts:
        try:
            override = parser.parse_override(text)
        except HydraException:
            problems.append(
                f"{text!r} is not an override; write KEY=VALUE, KEY=VALUE,VALUE, `range(1,5)`, `glob(lo*)`"
            )
            continue
        if override.is_delete() or override.is_add():
            problems.append(f"{text!r}: a sweep sets values; drop the leading `+` or `~`")
        overrides.append(override)
    keys = [override.key_or_group for override in overrides]
    problems += [f"{key} is given twice; write all its values in one list" for key in _twice(keys)]
    if problems:
        raise UserError(*problems)
    return overrides


def _twice(keys: Sequence[str]) -> list[str]:
    return sorted({key for key in keys if keys.count(key) > 1})


def expand(texts: Sequence[str]) -> list[JobOverrides]:
    """Every combination, the last override changing fastest, in the order of Hydra's multirun."""
    return [tuple(job) for job in itertools.product(*(values_of(override) for override in parsed(texts)))]


def values_of(override: Any) -> list[str]:
    """`KEY=VALUE` for each value that a job may get."""
    from hydra.core.override_parser.types import Glob

    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if isinstance(override.value(), Glob):
        return [f"{key}={name}" for name in _matching(override)]
    if not override.is_discrete_sweep():
        raise UserError(
            f"{override.input_line!r} has infinitely many values; add `--trials N` to search them"
        )
    return list(dict.fromkeys(f"{key}={value}" for value in override.sweep_string_iterator()))


def _matching(override: Any) -> list[str]:
    """Options of a group that a `glob` matches, by Hydra's fnmatch rules."""
    group, pattern_lists = override.key_or_group.removeprefix("use."), override.value()
    if group not in groups():
        raise UserError(
            f"{override.input_line!r}: `glob` selects options of a group; {nearest(group, groups())}"
        )
    matches = [
        name
        for name in options(group)
        if any(fnmatchcase(name, pattern) for pattern in pattern_lists.include)
        and not any(fnmatchcase(name, pattern) for pattern in pattern_lists.exclude)
    ]
    if not matches:
        raise UserError(
            f"{override.input_line!r} matches no option of {group}; allowed: {', '.join(options(group))}"
        )
    return matches
