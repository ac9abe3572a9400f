"""What a person typed into params.yaml, where YAML reads something else: `no` as false, `007` as 7, `010` as
8 and `12:30` as 750.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from pipeline.config.compose import PARAMS
from pipeline.errors import UserError
from pipeline.files.text_file import SETTINGS_FILE
from pipeline.files.yaml_text import text_of
from pipeline.number_text import is_index

NUMBERS = re.compile(r"0\d+|[+-]?\d+(:\d+)+(\.\d*)?")
"""Numbers in base 8 and base 60, which nobody means."""


def typed(path: Sequence[str]) -> str | None:
    """The plain scalar at a place; None if there is none, or it is in quotes."""
    node = _root()
    for part in path:
        if part == "[key]":
            break
        node = _child(node, part)
    return node.value if isinstance(node, yaml.ScalarNode) and node.style is None else None


def misread() -> list[str]:
    """A sentence for each number that YAML reads as another one."""
    problems = []
    for place, node in _scalars(_root(), ()):
        value = yaml.safe_load(node.value) if NUMBERS.fullmatch(node.value) else None
        is_other = value is not None and not (is_index(node.value) and int(node.value) == value)
        if node.style is None and is_other:
            problems.append(
                f"{PARAMS}: {'.'.join(place)}: YAML reads {node.value} as {value}; write {value} if you mean"
                f" that, or put it in quotes: '{node.value}'"
            )
    return problems


def _root() -> Any:
    """The file's root node; None if it cannot be read, which `read_params` reports."""
    try:
        return yaml.compose(text_of(PARAMS, SETTINGS_FILE), Loader=yaml.SafeLoader)
    except (UserError, OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _child(node: Any, part: str) -> Any:
    """A value by its key, as typed or as YAML reads it; in a list, by number."""
    if isinstance(node, yaml.SequenceNode):
        return node.value[int(part)] if is_index(part) and int(part) < len(node.value) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    keys = {key.value: (key, value) for key, value in node.value}
    if part in keys:
        return keys[part][1]
    others = (pair for text, pair in keys.items() if _is_read_as(text, part))
    return next(others, (None, None))[1]


def _is_read_as(text: str, part: str) -> bool:
    value = yaml.safe_load(text) if re.fullmatch(r"[\w:.+-]+", text) else text
    return part in (str(value), str(int(value)) if isinstance(value, bool) else "")


def _scalars(node: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    """Recursion is safe: reading the file before has bounded its depth."""
    if isinstance(node, yaml.ScalarNode):
        yield place, node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*place, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _scalars(value, (*place, str(number)))
