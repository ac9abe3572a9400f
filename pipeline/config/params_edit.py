"""Sets values in the text of params.yaml; comments, order and other values stay."""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

INDENTED_LIST = re.compile(r"^    - ", re.MULTILINE)
"""A list that is indented below its key."""


def with_values(text: str, use: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """The text with these options under `use` and values by dotted key (`group.key`). The text is one that
    `read_params` accepts.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    if INDENTED_LIST.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(text) or {}
    given = {**{f"use.{group}": option for group, option in use.items()}, **values}
    for key, value in given.items():
        if key in content:  # written as one dotted key
            content[key] = value
            continue
        group, _, name = key.partition(".")
        if not isinstance(content.get(group), dict):  # absent, or a group without a value
            content[group] = {}
        content[group][name] = value
    written = StringIO()
    yaml.dump(content, written)
    return written.getvalue()
