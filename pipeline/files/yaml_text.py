"""YAML of people and strangers, read in one place: bounded in length, depth and what aliases stand for,
each key once. The parser in C would end the process at 50 000 nested brackets, and a few anchors of anchors
would fill any memory.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError

MOST_BYTES = 1 << 26
MOST_DEPTH = 64
"""Levels of nesting; what people write has fewer than ten."""
MOST_EXPANDED = 10_000
"""Values that aliases may add in all."""
CURE = "correct it"
UNREADABLE = (
    yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""What PyYAML raises over a text; the last but the first come from values that do not fit their tags."""


class YamlError(ValueError):
    """Why a text is not read, in a few words."""


class Loader(yaml.CSafeLoader):
    """libyaml's, plain values alone; a key that is there twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise YamlError(f"line {key.start_mark.line + 1}: {key.value[:80]!r} is there twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > 40:
            raise YamlError(f"line {node.start_mark.line + 1}: a number of {len(node.value)} characters")
        return int(super().construct_yaml_int(node))


Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)


def read_yaml(path: Path) -> Any:
    """A file's value. One that is missing or no YAML is a user error."""
    return parse_yaml(text_of(path), str(path))


def text_of(path: Path) -> str:
    """A YAML file's text, within its bounds: other readers may take it. Else a user error."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path} has more than {MOST_BYTES >> 20} MiB, which no such file has; {CURE}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not readable YAML: not UTF-8 ({error.reason}); save it as UTF-8"
        ) from None
    insist_on_bounds(text, str(path))
    return text


def parse_yaml(text: str | bytes, origin: str) -> Any:
    """The text's value; one that is no YAML is a user error, in which `origin` names it."""
    insist_on_bounds(text, origin)
    try:
        return yaml.load(text, Loader=Loader)
    except UNREADABLE as error:
        raise UserError(f"{origin} is not readable YAML: {_one_line(error)}; {CURE}") from None


def insist_on_bounds(text: str | bytes, origin: str) -> None:
    """Raises UserError for a text that is no YAML, or whose nesting or aliases are out of bounds."""
    try:
        if len(text) > MOST_BYTES:
            raise YamlError(f"more than {MOST_BYTES >> 20} MiB")
        _insist_on_bounded(yaml.parse(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{origin} is not readable YAML: {_one_line(error)}; {CURE}") from None


def _insist_on_bounded(events: Iterable[yaml.Event]) -> None:
    """Walks through the parser's events, which need no recursion: the size of each open collection, and of
    each anchor's value with all that its own aliases stand for.
    """
    sizes: list[int] = []
    names: list[str | None] = []
    anchors: dict[str, int] = {}
    expanded = 0
    for event in events:
        size = 1
        if isinstance(event, yaml.CollectionStartEvent):
            if len(sizes) >= MOST_DEPTH:
                raise YamlError(f"{_line(event)}: nested more than {MOST_DEPTH} levels deep")
            sizes.append(1)
            names.append(event.anchor)
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size, name = sizes.pop(), names.pop()
            if name:
                anchors[name] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in names or event.anchor not in anchors:
                raise YamlError(f"{_line(event)}: *{event.anchor} is within itself or unknown")
            size = anchors[event.anchor]
            expanded += size
            if expanded > MOST_EXPANDED:
                raise YamlError(f"its aliases stand for more than {MOST_EXPANDED} values")
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        elif event.anchor:
            anchors[event.anchor] = 1
        if sizes:
            sizes[-1] += size


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
