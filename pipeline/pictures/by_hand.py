"""What files that people write by hand have in common: names of pictures (`*` and `?` stand for any letters)
with something below each.
"""

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError


def read_entries(path: Path, example: str) -> dict[str, Any]:
    """The file's entries by the name that stands there; none where there is no file. What is no YAML, or no
    mapping, is a user error; `example` shows an entry.
    """
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold lines like `{example}`, found {content!r}")
    return {str(name): entry for name, entry in content.items()}


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """`*` stands for any text, `?` for one character; brackets, which stand in many names, for themselves."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def named(pattern: str, ids: Collection[str]) -> list[str]:
    """Picture ids that the pattern names; an id names its picture alone, whatever signs are in it."""
    return [pattern] if pattern in ids else [name for name in ids if glob(pattern).fullmatch(name)]
