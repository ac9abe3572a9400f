"""Work on many things at once whose results come one by one, in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")
AHEAD = 64
"""Enough to keep the threads busy; a hundred thousand that were asked for at once would fill the memory."""


def in_order(
    work: Callable[[Thing], Result], things: Iterable[Thing], threads: int | None = None, ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """As `map`, by so many threads (one for each core); at most `ahead` results wait. What was not begun when
    it ends early is left undone.
    """
    waiting = deque[Future[Result]]()
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
