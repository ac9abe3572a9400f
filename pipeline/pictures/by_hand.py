"""Files that people edit by hand: entries by picture id or pattern (`*` and `?` are wildcards)."""

import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.text_file import MANUAL_EDITS, read_text
from pipeline.files.yaml_text import parse_yaml


def read_entries(path: Path, example: str) -> dict[str, Any]:
    """The file's entries by name; none without a file. Invalid YAML, or anything but a mapping, is a user
    error; `example` shows an entry.
    """
    return entries_of(read_text(path, MANUAL_EDITS), path, example) if path.exists() else {}


def entries_of(text: str, path: Path, example: str) -> dict[str, Any]:
    """As `read_entries`, of the file's text."""
    content = parse_yaml(text, str(path), MANUAL_EDITS) or {}
    if not isinstance(content, dict):
        raise UserError(f"{path} must contain lines like `{example}`, found {repr(content)[:60]}")
    return {str(name): entry for name, entry in content.items()}


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """`*` matches any text, `?` one character; brackets, common in names, are literal. The text after a `*`
    is searched once, at its first place, so that no pattern takes long.
    """
    first, *others = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern))
    inner = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return re.compile(f"{first}{inner}{last}", re.DOTALL)


def named(pattern: str, ids: Collection[str]) -> list[str]:
    """Picture ids that the pattern matches; an exact id matches only itself, even with wildcards in it."""
    return [pattern] if pattern in ids else [name for name in ids if glob(pattern).fullmatch(name)]


class Names:
    """Names and patterns of a file, compared with all pictures' ids, which are not kept in memory."""

    def __init__(self, written: Iterable[str], ids: Iterable[str]) -> None:
        self.places = {name: place for place, name in enumerate(dict.fromkeys(written))}
        patterns = {name: glob(name) for name in self.places if "*" in name or "?" in name}
        exact, matched = set(), set()
        for picture_id in ids if self.places else ():
            if picture_id in self.places:
                exact.add(picture_id)
            matched.update(
                [name for name in patterns if name not in matched and patterns[name].fullmatch(picture_id)]
            )
        self.patterns = {name: pattern for name, pattern in patterns.items() if name not in exact}
        self.unknown = [name for name in self.places if name not in exact | matched]
        """Those that name no picture."""

    def of(self, picture_id: str) -> list[str]:
        """The names that match this picture, in the file's order; an exact id matches only itself."""
        naming = [name for name, pattern in self.patterns.items() if pattern.fullmatch(picture_id)]
        naming += [picture_id] if picture_id in self.places else []
        return sorted(naming, key=self.places.__getitem__)
