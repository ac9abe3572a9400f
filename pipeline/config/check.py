"""A composed configuration -> the frozen Config, or every mistake in it at once."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.rules import contradictions
from pipeline.errors import UserError, nearest
from pipeline.schemas import Config, schemas_of

if TYPE_CHECKING:
    from pipeline.config.compose import Params
    from pipeline.config.following import ConfigValues

MARKS = ("constrained", "literal[", "list[", "dict[", "function-")
"""How pydantic's names for the branches of a union begin in an error's location."""


def resolve(params: "Params") -> "ConfigValues":
    """The composed and checked configuration as plain values; every mistake in `params` at once."""
    from pipeline.config.compose import compose_known  # imported late: a stage in the graph composes nothing
    from pipeline.config.typed import misread

    values, unknown = compose_known(params)
    check(values, [*unknown, *misread()])
    return values


def check(values: "ConfigValues", unknown: Sequence[str] = ()) -> Config:
    """Types, ranges, unknown and missing keys; then the rules across settings. `unknown`: earlier problems,
    reported together with the ones found here.
    """
    config = validated(values, unknown)
    if problems := [*unknown, *contradictions(config)]:
        raise UserError(*problems)
    return config


def validated(values: "ConfigValues", unknown: Sequence[str] = ()) -> Config:
    """Types, ranges and missing keys alone; `unknown` as in `check`."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        # For an unquoted word, pydantic's other errors at the same place do not help.
        words = {tuple(_path(details)) for details in error.errors() if _is_unquoted(details)}
        useful = [each for each in error.errors() if _is_unquoted(each) or tuple(_path(each)) not in words]
        raise UserError(*unknown, *dict.fromkeys(map(_sentence, useful))) from None


def _is_unquoted(details: ErrorDetails) -> bool:
    """Whether YAML read something other than text where text belongs."""
    return details["type"] == "string_type" and isinstance(details["input"], bool | int | float | date)


def _path(details: ErrorDetails) -> list[str]:
    """Keys that lead to a value, without the branches of a union."""
    group, *inner = (str(part) for part in details["loc"])
    if inner and inner[0] in _family_names(group):
        inner = inner[1:]
    path = [group, *(part for part in inner if not part.startswith(MARKS))]
    return [part for part in path if part not in ("str", "int", "float", "bool", "none")]


def _unquoted(key: str, path: Sequence[str], value: object) -> str:
    from pipeline.config.typed import typed

    written = typed(path[:-1] if path[-1] == "[key]" else path)
    if path[-1] == "[key]" or written is None:
        return f"{key}: {value!r} is not allowed; this must be text: put it in quotes"
    return f"{key}: YAML reads {written} as {value!r}; this must be text: put it in quotes: '{written}'"


def _sentence(details: ErrorDetails) -> str:
    path = _path(details)
    group, key = path[0], ".".join(path)
    if _is_unquoted(details):
        return _unquoted(key, path, details["input"])
    if details["type"] == "extra_forbidden":
        return f"{key} is not a setting of the chosen {group}; {nearest(path[-1], _keys(group))}"
    if details["type"] == "missing":
        return f"{key} is missing; conf/{group}/ must give it a default"
    if details["type"] == "union_tag_invalid":
        name = details["ctx"]["tag"]
        return f"{group}.name: {name!r} is not allowed; {nearest(name, sorted(_family_names(group)))}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{key}: {_shown(path, details['input'])} is not allowed; {message[0].lower()}{message[1:]}"


def _shown(path: Sequence[str], value: object) -> str:
    """The value; if YAML read a typed word as a bool, the word too."""
    from pipeline.config.typed import typed

    is_word = isinstance(value, bool) and (written := typed(path)) not in (None, str(value).lower())
    return f"{written} (YAML reads it as {value!r}; in quotes it is text)" if is_word else repr(value)


def _family_names(group: str) -> set[str]:
    """Values of `name` that distinguish a group's schemas; pydantic puts them into an error's location."""
    schemas = schemas_of(group) if group in Config.model_fields else ()
    if len(schemas) < 2:
        return set()
    return {name for schema in schemas for name in get_args(schema.model_fields["name"].annotation)}


def _keys(group: str) -> list[str]:
    schemas = schemas_of(group) if group in Config.model_fields else ()
    return sorted({key for schema in schemas for key in schema.model_fields} or Config.model_fields)
