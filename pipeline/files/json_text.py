"""JSON from strangers: bounded in depth, every number finite, every character whole, each key once."""

import json
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.text_file import JSON, FileKind, read_text

MOST_JSON_DEPTH = 64
"""Levels of nesting; what tools write has fewer than ten."""
MOST_JSON_DIGITS = 400
"""Of a whole number; the largest finite ones have 309."""


class JsonError(ValueError):
    """Why a text is not read, in a few words."""


def read_json(path: Path, kind: FileKind = JSON) -> Any:
    """A file's value. One that is missing, longer than its kind may be or no JSON is a user error."""
    text = read_text(path, kind)
    try:
        return parse_json(text)
    except JsonError as error:
        raise UserError(f"{path} is not readable JSON ({error}); mend it, or fetch it again") from None


def read_mapping(path: Path, kind: FileKind = JSON) -> dict[str, Any]:
    """As `read_json`, of a JSON mapping."""
    text = read_text(path, kind)
    try:
        return parse_mapping(text)
    except JsonError as error:
        raise UserError(f"{path} is not readable JSON ({error}); mend it, or fetch it again") from None


def parse_mapping(text: str | bytes) -> dict[str, Any]:
    """As `parse_json`, of a JSON mapping."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise JsonError(f"it is {kind_of(value)}, and must be a mapping")
    return value


def kind_of(value: Any) -> str:
    """What JSON calls it."""
    if value is None or isinstance(value, bool):
        return str(value)
    kinds: dict[type, str] = {list: "a list", dict: "a mapping", str: "a text"}
    return kinds.get(type(value), "a number")


def parse_json(text: str | bytes) -> Any:
    """The text's value. Raises JsonError."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_mapping,
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_not_a_number,
        )
        if b"\\u" in (text if isinstance(text, bytes) else text.encode()):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise JsonError(f"nested more than {MOST_JSON_DEPTH} levels deep") from None
    except UnicodeError:
        raise JsonError("it holds half a character (a lone surrogate, or bytes that are not UTF-8)") from None
    except ValueError as error:
        raise JsonError(str(error)) from None
    insist_on_shallow(value)
    return value


def insist_on_shallow(value: Any, most: int = MOST_JSON_DEPTH) -> None:
    """Raises JsonError where lists and mappings are nested too deep for those who walk through them."""
    level = [value]
    for _ in range(most + 1):
        level = [inner for each in level if isinstance(each, dict | list) for inner in _inside(each)]
        if not level:
            return
    raise JsonError(f"nested more than {most} levels deep")


def _inside(each: dict[Any, Any] | list[Any]) -> Iterable[Any]:
    return each.values() if isinstance(each, dict) else each


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JsonError(f"{twice[:80]!r} is there twice")
    return found


def _whole(text: str) -> int:
    if len(text) > MOST_JSON_DIGITS:
        raise JsonError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _not_a_number(text)


def _not_a_number(text: str) -> float:
    raise JsonError(f"{text[:20]} is no finite number")
