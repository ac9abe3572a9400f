"""What files that people write by hand have in common: names of pictures (`*` and `?` stand for any letters)
with something below each.
"""

import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.text_file import BY_HAND
from pipeline.files.yaml_text import read_yaml


def read_entries(path: Path, example: str) -> dict[str, Any]:
    """The file's entries by the name that stands there; none where there is no file. What is no YAML, or no
    mapping, is a user error; `example` shows an entry.
    """
    if not path.exists():
        return {}
    content = read_yaml(path, BY_HAND) or {}
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold lines like `{example}`, found {repr(content)[:60]}")
    return {str(name): entry for name, entry in content.items()}


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """`*` stands for any text, `?` for one character; brackets, which stand in many names, for themselves.
    What follows a `*` is looked for once, at its first place: no pattern takes long.
    """
    first, *others = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern))
    inner = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return re.compile(f"{first}{inner}{last}", re.DOTALL)


def named(pattern: str, ids: Collection[str]) -> list[str]:
    """Picture ids that the pattern names; an id names its picture alone, whatever signs are in it."""
    return [pattern] if pattern in ids else [name for name in ids if glob(pattern).fullmatch(name)]


class Names:
    """Names and patterns that stand in a file, held against the pictures there are, which are not held."""

    def __init__(self, written: Iterable[str], ids: Iterable[str]) -> None:
        self.places = {name: place for place, name in enumerate(dict.fromkeys(written))}
        patterns = {name: glob(name) for name in self.places if "*" in name or "?" in name}
        exact, found = set(), set()
        for picture_id in ids if self.places else ():
            if picture_id in self.places:
                exact.add(picture_id)
            found.update(
                [name for name in patterns if name not in found and patterns[name].fullmatch(picture_id)]
            )
        self.patterns = {name: pattern for name, pattern in patterns.items() if name not in exact}
        self.unknown = [name for name in self.places if name not in exact | found]
        """Those that name no picture."""

    def of(self, picture_id: str) -> list[str]:
        """Those that name this picture, in the file's order; an id names its picture alone, whatever signs
        are in it.
        """
        naming = [name for name, pattern in self.patterns.items() if pattern.fullmatch(picture_id)]
        naming += [picture_id] if picture_id in self.places else []
        return sorted(naming, key=self.places.__getitem__)
