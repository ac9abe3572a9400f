"""Progress of long work: a bar with an estimate on a terminal, elsewhere a line now and then."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

from pipeline.printable import printable

_T = TypeVar("_T")
LINE_EVERY_S = 60.0
"""Without a terminal: seconds between lines."""


def progress(items: Iterable[_T], what: str, total: int | None = None) -> Iterable[_T]:
    """`items`, with a bar on stderr, or a line now and then if stderr is not a terminal."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    name = printable(what)
    if not sys.stderr.isatty():
        return _with_lines(items, ProgressLines(name, total))
    bar: Iterable[_T] = tqdm(items, desc=name, total=total, leave=False, dynamic_ncols=True)
    return bar


def _with_lines(items: Iterable[_T], lines: "ProgressLines") -> Iterator[_T]:
    for item in items:
        yield item
        lines.step()


class ProgressLines:
    """`crop: 120 of 1000, about 3 min left`, at most once in `LINE_EVERY_S`; short work prints nothing."""

    def __init__(self, what: str, total: int | None, done: int = 0) -> None:
        self.what, self.total, self.done, self.first = what, total, done, done
        self.started = self.said = time.monotonic()

    def step(self, more: str = "") -> None:
        """Counts one more; `more` is text for the line."""
        self.done += 1
        now = time.monotonic()
        if now - self.said >= LINE_EVERY_S and self.done != self.total:
            self.said = now
            print(f"{self.what}: {self._how_far()}{more}{self._left(now)}", file=sys.stderr, flush=True)

    def _how_far(self) -> str:
        return str(self.done) if self.total is None else f"{self.done} of {self.total}"

    def _left(self, now: float) -> str:
        if self.total is None:
            return ""
        seconds = (now - self.started) / (self.done - self.first) * (self.total - self.done)
        return f", about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
