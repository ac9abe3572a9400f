"""The meaning of a Python file: its tokens, without the parts that only people read."""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator

MESSAGES = frozenset({"UserError", "warn", "print"})
"""Calls whose texts only people read."""

NO_STATEMENT = ("\n", "INDENT", "DEDENT")
"""Words that need no line end after them if the statement that follows is cut."""

TextSpan = tuple[tuple[int, int], tuple[int, int]]
"""Start and end in a text, each a line (from 1) and a column (from 0, in characters)."""


def meaning(text: str) -> str:
    """The code as tokens, one statement per line, without comments, docstrings and messages' texts.

    Cuts by position, because the form of `ast.dump` changes with Python's version; a formatted string, which
    newer versions split into tokens, is one word.
    """
    nodes, lines = list(_walk(ast.parse(text))), text.splitlines()
    calls = [node for node in nodes if isinstance(node, ast.Call) and _name(node) in MESSAGES]
    arguments = [part for call in calls for part in [*call.args, *call.keywords]]
    strings = [node for part in arguments for node in _walk(part) if _is_text(node)]
    cut = _Spans([*_docstrings(nodes), *strings], lines)
    formatted = _Spans([node for node in nodes if isinstance(node, ast.JoinedStr)], lines)
    messages = _Spans(calls, lines)
    words, last = list[str](), None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER) or cut.around(token):
            continue
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            words.append(tokenize.tok_name[token.type])
        elif token.type == tokenize.NEWLINE:
            words += ["\n"] if words and words[-1] not in NO_STATEMENT else []
        elif span := formatted.around(token):
            words += [_piece(lines, span)] if span != last else []
            last = span
        else:
            # Commas between texts; the formatter adds a last one where they take several lines.
            words += [] if token.string == "," and messages.around(token) else [token.string]
    return " ".join(words)


class _Spans:
    """Positions of nodes in a text; ask for tokens in their order."""

    def __init__(self, nodes: Iterable[ast.AST], lines: list[str]) -> None:
        spans = sorted((_span(node, lines) for node in nodes), key=lambda span: (span[0], _negative(span[1])))
        self._waiting = spans[::-1]

    def around(self, token: tokenize.TokenInfo) -> TextSpan | None:
        """The widest span around the token."""
        while self._waiting and self._waiting[-1][1] <= token.start:
            self._waiting.pop()
        span = self._waiting[-1] if self._waiting else None
        return span if span and span[0] <= token.start and token.end <= span[1] else None


def _negative(position: tuple[int, int]) -> tuple[int, int]:
    return -position[0], -position[1]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, except inside formatted strings: older versions misplace those nodes."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _walk(child)


def _piece(lines: list[str], span: TextSpan) -> str:
    (first, start), (last, end) = span
    piece = lines[first - 1 : last]
    piece[-1] = piece[-1][:end]
    piece[0] = piece[0][start:]
    return "\n".join(piece)


def _docstrings(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """Statements that are only a string: docstrings of modules, classes, functions and attributes."""
    for node in nodes:
        if isinstance(node, ast.Expr) and _is_text(node.value):
            yield node.value


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _name(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None


def _span(node: ast.AST, lines: list[str]) -> TextSpan:
    """ast counts columns in bytes of UTF-8, tokenize in characters."""

    def column(line: int, byte: int) -> int:
        text = lines[line - 1]
        return byte if text.isascii() else len(text.encode()[:byte].decode())

    assert isinstance(node, ast.expr)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    start = node.lineno, column(node.lineno, node.col_offset)
    return start, (node.end_lineno, column(node.end_lineno, node.end_col_offset))
