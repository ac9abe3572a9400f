"""Hydra's override grammar -> the values of each job: lists, `range(...)`, `glob(...)`, `choice(...)`."""

import itertools
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from pipeline.config.compose import groups, options
from pipeline.errors import UserError, nearest

Overrides = tuple[str, ...]


def parsed(texts: Sequence[str]) -> list[Any]:
    """Hydra's Override objects; what is not in the grammar is a user error, all at once."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, found, problems = OverridesParser.create(), [], []
    for text in texts:
        try:
            override = parser.parse_override(text)
        except HydraException:
            problems.append(
                f"{text!r} is not an override; write KEY=VALUE, KEY=VALUE,VALUE, `range(1,5)`, `glob(lo*)`"
            )
            continue
        if override.is_delete() or override.is_add():
            problems.append(f"{text!r}: a sweep sets values; leave the leading `+` or `~` away")
        found.append(override)
    keys = [override.key_or_group for override in found]
    problems += [f"{key} is given twice; name all its values in one list" for key in _twice(keys)]
    if problems:
        raise UserError(*problems)
    return found


def _twice(keys: Sequence[str]) -> list[str]:
    return sorted({key for key in keys if keys.count(key) > 1})


def expand(texts: Sequence[str]) -> list[Overrides]:
    """Every combination, the last override changing fastest, as Hydra's own multirun orders them."""
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
        raise UserError(f"{override.input_line!r} has no end of values; add `--trials N` to search them")
    return list(dict.fromkeys(f"{key}={value}" for value in override.sweep_string_iterator()))


def _matching(override: Any) -> list[str]:
    """Options of a group that a `glob` names; Hydra's fnmatch rules."""
    group, wanted = override.key_or_group.removeprefix("use."), override.value()
    if group not in groups():
        raise UserError(
            f"{override.input_line!r}: glob chooses among the options of a group; {nearest(group, groups())}"
        )
    found = [
        name
        for name in options(group)
        if any(fnmatchcase(name, pattern) for pattern in wanted.include)
        and not any(fnmatchcase(name, pattern) for pattern in wanted.exclude)
    ]
    if not found:
        raise UserError(f"{override.input_line!r} matches no option of {group}: {', '.join(options(group))}")
    return found
