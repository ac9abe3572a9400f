"""Reads all YAML from users and strangers, with limits on length, depth and alias expansion, and without
repeated keys. The C parser would crash the process at 50 000 nested brackets, and a few nested anchors would
fill any memory.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError
from pipeline.files.text_file import GENERATED, FileKind, read_text, shown

MOST_YAML_DEPTH = 64
"""Levels of nesting; what people write has fewer than ten."""
MOST_EXPANDED = 10_000
"""Values that all aliases may add."""
CURE = "correct it"
UNREADABLE_YAML = (
    yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""What PyYAML raises for a text; all but the first come from values that do not fit their tags."""


class YamlError(ValueError):
    """Why a text is not read, in a few words."""


class Loader(yaml.CSafeLoader):
    """libyaml's loader for plain values; a repeated key is an error."""

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


def read_yaml(path: Path, kind: FileKind = GENERATED) -> Any:
    """A file's value. A file that is missing, too long for its kind, or not YAML is a user error."""
    return parse_yaml(read_text(path, kind), str(path), kind)


def text_of(path: Path, kind: FileKind = GENERATED) -> str:
    """A YAML file's text, checked against the limits, so that other readers may parse it."""
    text = read_text(path, kind)
    insist_on_bounds(text, str(path), kind)
    return text


def parse_yaml(text: str | bytes, origin: str, kind: FileKind = GENERATED) -> Any:
    """The text's value; invalid YAML is a user error that names `origin`."""
    insist_on_bounds(text, origin, kind)
    try:
        return yaml.load(text, Loader=Loader)
    except UNREADABLE_YAML as error:
        raise UserError(f"{origin} is not readable YAML: {_one_line(error)}; {CURE}") from None


def insist_on_bounds(text: str | bytes, origin: str, kind: FileKind = GENERATED) -> None:
    """Raises UserError for invalid YAML, or nesting or aliases beyond the limits."""
    try:
        if len(text) > kind.most:
            raise YamlError(f"it is longer than {shown(kind.most)}")
        _insist_on_bounded(_counted(yaml.parse(text, Loader=yaml.CSafeLoader), kind))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{origin} is not readable YAML: {_one_line(error)}; {CURE}") from None


def _counted(events: Iterable[yaml.Event], kind: FileKind) -> Iterator[yaml.Event]:
    """The events; an error at more keys and values than the kind allows."""
    count = 0
    for event in events:
        count += isinstance(event, yaml.ScalarEvent)
        if count > kind.values:
            raise YamlError(
                f"more than {kind.values} keys and values, the limit for {kind.name}; {kind.cure}"
            )
        yield event


def _insist_on_bounded(events: Iterable[yaml.Event]) -> None:
    """Walks the parser's events without recursion: counts the size of each open collection, and of each
    anchor's value with its own aliases expanded.
    """
    sizes: list[int] = []
    names: list[str | None] = []
    anchors: dict[str, int] = {}
    expanded = 0
    for event in events:
        size = 1
        if isinstance(event, yaml.CollectionStartEvent):
            if len(sizes) >= MOST_YAML_DEPTH:
                raise YamlError(f"{_line(event)}: nested more than {MOST_YAML_DEPTH} levels deep")
            sizes.append(1)
            names.append(event.anchor)
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size, name = sizes.pop(), names.pop()
            if name:
                anchors[name] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in names or event.anchor not in anchors:
                raise YamlError(f"{_line(event)}: *{event.anchor} contains itself or is unknown")
            size = anchors[event.anchor]
            expanded += size
            if expanded > MOST_EXPANDED:
                raise YamlError(f"its aliases expand to more than {MOST_EXPANDED} values")
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
