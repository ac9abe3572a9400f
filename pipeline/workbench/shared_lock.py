"""A lock whose holder sees that another waits, so that work in the background makes room at once."""

from threading import Lock, RLock


class SharedLock:
    """For several threads; the same thread may take it again."""

    def __init__(self) -> None:
        self._lock, self._counting, self._waiting = RLock(), Lock(), 0

    def __enter__(self) -> None:
        with self._counting:
            self._waiting += 1
        self._lock.acquire()
        with self._counting:
            self._waiting -= 1

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def is_awaited(self) -> bool:
        """Whether another thread waits for it."""
        return self._waiting > 0
