"""The one exception for mistakes that the user can fix, and the answers to unknown names."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pipeline.printable import printable


class UserError(Exception):
    """Each problem says what was found, where, what is allowed and what to do; all problems of an input come
    together.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def nearest(name: str, valid: Iterable[str]) -> str:
    """'did you mean a or b?' for an unknown name, or the valid names if none is close."""
    names = sorted(valid)
    close = _close(name, names)
    return f"did you mean {' or '.join(close)}?" if close else f"valid: {', '.join(names) or 'none'}"


def near(name: str, valid: Iterable[str]) -> str:
    """` (did you mean a or b?)`, or nothing if none is close: for names too many to list."""
    close = _close(name, sorted(valid))
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _close(name: str, names: Sequence[str]) -> list[str]:
    """Up to two; one that differs in nothing but upper and lower case alone."""
    by_lower = {each.lower(): each for each in names}
    if exact := by_lower.get(name.lower()):
        return [exact]
    return [by_lower[each] for each in get_close_matches(name.lower(), by_lower, n=2, cutoff=0.6)]


def warn(message: str) -> None:
    """Prints one line on stderr, for settings without effect and data that looks wrong."""
    print(f"warning: {printable(message)}", file=sys.stderr)
