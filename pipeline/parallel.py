"""Ordered parallel map with bounded look-ahead."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")
AHEAD = 64
"""Enough to keep the threads busy; a hundred thousand tasks at once would fill the memory."""


def in_order(
    work: Callable[[Thing], Result], things: Iterable[Thing], threads: int | None = None, ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """As `map`, on `threads` threads (default: one per core); at most `ahead` results wait. If the caller
    stops early, tasks that have not started are dropped.
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
