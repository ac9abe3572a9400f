"""A YAML file of entries at its left edge, edited by entry: all other lines stay as they are.

    # a comment
    zib/1: {focus: [120, 80]}     an entry: its name, the text up to the next line at the left edge
    zib/2:
      remove: [hat]

The file is read whole once; after that a change costs what it changes, not what the file holds. A file of
another form (one pair of braces, anchors, several documents) is refused by `indexed`, and rewritten.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

NEVER_INDEXED = re.compile("\r(?!\n)|[\x85\u2028\u2029]|^(---|\\.\\.\\.|%)", re.MULTILINE)
"""Line ends that only YAML knows, and marks of documents."""
_MARK = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?\r?\n)*---[ \t]*(?:#[^\r\n]*)?\r?\n")
"""A mark before the first entry, as many editors write it."""
UNQUOTED = re.compile(r"[^\W_](?:[\w /.()'+^;-]*[\w/.()'+^;-])?")


TIED = re.compile(r"(?:^|[\s,\[{])[&*][^\s,\[\]{}]", re.MULTILINE)
"""Anchors and what refers to them: they tie entries together."""


class NotIndexedError(ValueError):
    """The file has another form."""


@dataclass(frozen=True)
class Lines:
    """Lines of the file: an entry's, if it has a name, else comments and blank lines."""

    name: str | None
    text: str


class Entries:
    """The file's lines in order; immutable."""

    def __init__(self, blocks: tuple[Lines, ...], newline: str = "\n") -> None:
        self.blocks, self.newline = blocks, newline
        self.places = {block.name: place for place, block in enumerate(blocks) if block.name is not None}

    @property
    def text(self) -> str:
        texts = "".join(block.text for block in self.blocks)
        return texts if self.places else f"{_ended(texts, self.newline)}{{}}{self.newline}"

    def of(self, name: str) -> str | None:
        """An entry's text."""
        place = self.places.get(name)
        return None if place is None else self.blocks[place].text

    def names(self) -> Iterator[str]:
        return iter(self.places)

    def changed(self, changes: Mapping[str, str | None]) -> "Entries":
        """With entries replaced in their places, added at the end, or (None) without them."""
        new = dict(changes)
        replaced = [_replaced(block, new) for block in self.blocks]
        blocks = [block for block in replaced if block.text]
        added = [Lines(name, text) for name, text in new.items() if text is not None]
        if added and blocks:
            blocks[-1] = Lines(blocks[-1].name, _ended(blocks[-1].text, self.newline))
        return Entries((*blocks, *added), self.newline)


def _replaced(block: Lines, changes: dict[str, str | None]) -> Lines:
    if block.name is None or block.name not in changes:
        return block
    return Lines(block.name, changes.pop(block.name) or "")


def _ended(text: str, newline: str) -> str:
    return text if not text or text.endswith("\n") else text + newline


def indexed(text: str) -> Entries:
    """The entries of a file, which a reader has found valid. Raises NotIndexedError."""
    head = _MARK.match(text)
    if NEVER_INDEXED.search(text, head.end() if head else 0):
        raise NotIndexedError
    newline, lines = "\r\n" if "\r\n" in text else "\n", text.splitlines(keepends=True)
    if (root := yaml.compose(text, Loader=yaml.CSafeLoader)) is None:
        return Entries((Lines(None, text),) if text else (), newline)
    if not isinstance(root, yaml.MappingNode):
        raise NotIndexedError
    if not root.value:
        return Entries((Lines(None, _without_braces(lines, root)),), newline)
    starts = _starts(root)
    _insist_on_apart(text, root, starts)
    return Entries(tuple(_blocks(lines, starts)), newline)


def _without_braces(lines: list[str], root: yaml.Node) -> str:
    """The comments around `{}`."""
    if "".join(lines[root.start_mark.line : root.end_mark.line + 1]).strip() != "{}":
        raise NotIndexedError
    return "".join(line for number, line in enumerate(lines) if number != root.start_mark.line)


def _starts(root: yaml.MappingNode) -> dict[int, str]:
    """By the line of its key, each entry's name."""
    starts: dict[int, str] = {}
    for key, _ in root.value:
        if not isinstance(key, yaml.ScalarNode) or key.start_mark.column or key.start_mark.line in starts:
            raise NotIndexedError
        starts[key.start_mark.line] = key.value
    return starts


def _insist_on_apart(text: str, root: yaml.MappingNode, starts: Mapping[int, str]) -> None:
    if root.flow_style or len(set(starts.values())) != len(starts) or TIED.search(_bare(text)):
        raise NotIndexedError


def _bare(text: str) -> str:
    """The text without comments and quotes, roughly: one anchor too many only costs time."""
    return re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:^|\s)#.*", "", text)


def _blocks(lines: list[str], starts: Mapping[int, str]) -> Iterator[Lines]:
    """Comments and blank lines at the left edge belong to no entry, so that none is lost with one."""
    edges = sorted(starts)
    if edges[0]:
        yield Lines(None, "".join(lines[: edges[0]]))
    for first, last in zip(edges, [*edges[1:], len(lines)], strict=True):
        end = last
        while end > first + 1 and (lines[end - 1].startswith("#") or not lines[end - 1].strip()):
            end -= 1
        yield Lines(starts[first], "".join(lines[first:end]))
        if end < last:
            yield Lines(None, "".join(lines[end:last]))


def scalar(text: str) -> str:
    """A text as YAML reads it again: bare where every reader takes it for a text, else in quotes."""
    return text if UNQUOTED.fullmatch(text) and _is_text(text) else quoted(text)


def quoted(text: str) -> str:
    """A text in double quotes."""
    inner = text if UNQUOTED.fullmatch(text) else "".join(map(_escaped, text))
    return f'"{inner}"'


def _is_text(text: str) -> bool:
    resolver = _resolver()
    return bool(resolver.resolve(yaml.ScalarNode, text, (True, False)) == "tag:yaml.org,2002:str")


def _resolver() -> Any:
    global _made  # noqa: PLW0603
    _made = _made or yaml.resolver.Resolver()
    return _made


_made: Any = None


def _escaped(sign: str) -> str:
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    if sign in named:
        return named[sign]
    code = ord(sign)
    if sign.isprintable():
        return sign
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else scalar(str(value))
