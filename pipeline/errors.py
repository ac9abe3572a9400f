"""The one exception for mistakes that the user can fix, and the answers to unknown names."""

import sys
from collections.abc import Iterable
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
    close = get_close_matches(name, names, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"valid: {', '.join(names) or 'none'}"


def near(name: str, valid: Iterable[str]) -> str:
    """` (did you mean a or b?)`, or nothing if none is close: for names too many to list."""
    close = get_close_matches(name, sorted(valid), n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def warn(message: str) -> None:
    """Prints one line on stderr, for settings without effect and data that looks wrong."""
    print(f"warning: {printable(message)}", file=sys.stderr)
