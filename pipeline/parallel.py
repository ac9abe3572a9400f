"""Work on many things at once whose results come one by one, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")
AHEAD = 64
"""Enough to keep the threads busy; a hundred thousand that were asked for at once would fill the memory."""


def in_order(
    work: Callable[[Thing], Result], things: Iterable[Thing], ahead: int = AHEAD
) -> Iterator[Result]:
    """As `map`, by one thread for each core; at most `ahead` results wait."""
    waiting = deque[Future[Result]]()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
