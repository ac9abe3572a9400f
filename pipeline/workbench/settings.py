"""params.yaml as a file of decisions: its groups are the entries, and a group keeps its comments."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

from pipeline.config.compose import PARAMS
from pipeline.errors import UserError
from pipeline.files.yaml_text import parse_yaml
from pipeline.workbench.decisions import DecisionFile, Values


def groups_of(text: str) -> Values:
    """The groups and single settings of params.yaml."""
    content = parse_yaml(text, str(PARAMS)) if text.strip() else {}
    if not isinstance(content or {}, dict):
        raise UserError(f"{PARAMS} holds no groups of settings; get it back from git")
    return dict(content or {})


def group_text(name: str, value: Any, old: str | None) -> str:
    """The group's lines: what it had stays in its place, with its comments."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096  # type: ignore[assignment]
    content = (yaml.load(old) if old else None) or CommentedMap()
    if isinstance(value, Mapping) and isinstance(content.get(name), Mapping):
        group = content[name]
        for gone in [key for key in group if key not in value]:
            del group[gone]
        group.update({key: each for key, each in value.items() if key not in group or group[key] != each})
    else:
        content[name] = value
    out = StringIO()
    yaml.dump(content, out)
    return out.getvalue()


SETTINGS = DecisionFile("params", PARAMS, groups_of, lambda _name, _value: [], group_text)
"""What a value may be says the composer, in a process of its own."""
