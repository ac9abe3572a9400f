"""Runs measurements until the time is over; a JSON line for each, also for those that fail."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.cases import Bench

Row = dict[str, Any]


@dataclass(frozen=True)
class Measurement:
    """`row`: what is measured, in words; `work` adds the figures."""

    row: Row
    work: Callable[[Bench], Row]


class OutOfTime(Exception):  # noqa: N818 - an event, not an error
    """The run's minutes are over."""


def measured(plan: Sequence[Measurement], bench: Bench, minutes: float) -> Iterator[Row]:
    """A row for each measurement, in order. One that fails (no memory, a package that is missing) has its
    reason under `failed`, and the next one starts with an empty card.
    """
    ends = time.monotonic() + 60 * minutes
    for each in plan:
        started = time.monotonic()
        try:
            with at_most(ends - started):
                found = each.work(bench)
        except (Exception, OutOfTime) as error:  # a measurement's failure is a finding, whatever it is
            found = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        if "failed" in found:  # not in the handler, where the traceback still holds the tensors
            bench.free()
        yield {**each.row, **found, "took_s": round(time.monotonic() - started, 1)}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises OutOfTime inside after so many seconds; at once if there are none."""
    if seconds <= 0:
        raise OutOfTime("no time was left")

    def stop(*_: object) -> None:
        raise OutOfTime("the run's minutes were over")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def as_line(row: Row) -> str:
    return json.dumps(row, sort_keys=False)
