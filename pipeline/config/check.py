"""A composed configuration -> the frozen Config, or every mistake in it at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.rules import contradictions
from pipeline.config.schemas import Config, schemas_of
from pipeline.errors import UserError, nearest

if TYPE_CHECKING:
    from pipeline.config.compose import Params, Values

MARKS = ("constrained", "literal[", "list[", "dict[", "function-")
"""pydantic's names for the branches of a union, in an error's place."""


def resolve(params: "Params") -> "Values":
    """The composed and checked configuration as plain values; every mistake in `params` at once."""
    from pipeline.config.compose import compose_known  # a stage in the graph composes nothing

    values, unknown = compose_known(params)
    check(values, unknown)
    return values


def check(values: "Values", unknown: Sequence[str] = ()) -> Config:
    """Types, ranges, unknown and missing keys; then what settings demand of each other. `unknown`: problems
    found before, to be told together with those found here.
    """
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        wrong = dict.fromkeys(_sentence(details) for details in error.errors())
        raise UserError(*unknown, *wrong) from None
    if unknown:
        raise UserError(*unknown)
    if found := contradictions(config):
        raise UserError(*found)
    return config


def _sentence(details: ErrorDetails) -> str:
    group, *inner = (str(part) for part in details["loc"])
    if inner and inner[0] in _family_names(group):
        inner = inner[1:]
    path = [group, *(part for part in inner if not part.startswith(MARKS))]
    key = ".".join(part for part in path if part not in ("str", "int", "float", "bool", "none"))
    if details["type"] == "extra_forbidden":
        return f"{key} is no setting of the chosen {group}; {nearest(path[-1], _keys(group))}"
    if details["type"] == "missing":
        return f"{key} is missing; conf/{group}/ must give it a default"
    if details["type"] == "union_tag_invalid":
        name = details["ctx"]["tag"]
        return f"{group}.name: {name!r} is not allowed; {nearest(name, sorted(_family_names(group)))}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{key}: {details['input']!r} is not allowed; {message[0].lower()}{message[1:]}"


def _family_names(group: str) -> set[str]:
    """Values of `name` by which a group's schemas are told apart; pydantic names them in an error's place."""
    schemas = schemas_of(group) if group in Config.model_fields else ()
    if len(schemas) < 2:
        return set()
    return {name for schema in schemas for name in get_args(schema.model_fields["name"].annotation)}


def _keys(group: str) -> list[str]:
    schemas = schemas_of(group) if group in Config.model_fields else ()
    return sorted({key for schema in schemas for key in schema.model_fields} or Config.model_fields)
