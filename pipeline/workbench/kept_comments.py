"""An entry's new lines, with the comments of its old ones."""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import yaml

from pipeline.files.yaml_entries import flow, scalar

FIRST_INDENT = re.compile(r"^( +)[^\s#-]", re.MULTILINE)


def on_one_line(name: str, value: Any, old: str | None) -> str:
    """`name: value`, and the comment after it; an entry of several lines with comments keeps its lines."""
    if old is None or "#" not in old:
        return f"{scalar(name)}: {flow(value)}\n"
    if len(old.splitlines()) > 1:
        return in_place(name, value, old)
    return f"{scalar(name)}: {flow(value)}{_after_value(old)}\n"


def _after_value(old: str) -> str:
    """What comes after the value of an entry on one line."""
    node = yaml.compose(old, Loader=yaml.CSafeLoader)
    assert isinstance(node, yaml.MappingNode)
    rest = old.rstrip("\r\n")[node.value[0][1].end_mark.column :]
    return rest if rest.lstrip().startswith("#") else ""


def in_place(name: str, value: Any, old: str | None) -> str:
    """The entry's lines: what it had stays in its place, with comments, quotes and indentation."""
    from ruamel.yaml.comments import CommentedMap

    maker = _keeping(old or "")
    content = (maker.load(old) if old else None) or CommentedMap()
    if isinstance(value, Mapping) and isinstance(content.get(name), Mapping):
        group = content[name]
        for gone in [key for key in group if key not in value]:
            del group[gone]
        for key, each in value.items():
            if key not in group or group[key] != each:
                group[key] = _shaped(each, group.get(key))
    else:
        content[name] = value
    out = StringIO()
    maker.dump(content, out)
    return out.getvalue()


def _shaped(value: Any, old: Any) -> Any:
    """Lists and mappings on one line, unless the old one was on several."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if not isinstance(value, list | dict):
        return value
    made = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
    if not isinstance(old, CommentedMap | CommentedSeq) or old.fa.flow_style():
        made.fa.set_flow_style()
    return made


def _keeping(text: str) -> Any:
    from ruamel.yaml import YAML

    maker = YAML()
    maker.preserve_quotes, maker.width = True, 1 << 16  # type: ignore[assignment]
    if indent := FIRST_INDENT.search(text):
        maker.indent(mapping=len(indent[1]))
    maker.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return maker
