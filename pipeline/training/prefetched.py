"""Reads items ahead in a thread, so that a card never waits for files, captions and pinned memory."""

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, Protocol, TypeVar

import torch

_AHEAD = 2
"""Items that wait; a batch is a few hundred KB."""
_POLL_S = 0.1
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Sized(Protocol[T_co]):
    """Items whose number is known, as of torch's loader."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T_co]: ...


class Prefetched(Generic[T]):
    """The same items in the same order. An error while reading is raised where its item is due."""

    def __init__(self, items: Sized[T], ahead: int = _AHEAD) -> None:
        self.items, self.ahead = items, ahead

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        source = iter(self.items)  # here, not in the thread: torch's loader draws a random number
        return _read(source, self.ahead)


class _Queued(Generic[T]):
    """Between the thread that reads and the one that uses. `over`: nobody needs more."""

    def __init__(self, ahead: int) -> None:
        self.queue: Queue[tuple[T] | BaseException | None] = Queue(ahead)
        self.over = Event()

    def put(self, item: tuple[T] | BaseException | None) -> bool:
        """Waits for room; False if nobody needs the item any more."""
        while not self.over.is_set():
            try:
                self.queue.put(item, timeout=_POLL_S)
            except Full:
                continue
            return True
        return False

    def fill(self, source: Iterator[T], card: int | None) -> None:
        """The items, then None or the error that ended them."""
        end: BaseException | None = None
        try:
            if card is not None:
                torch.cuda.set_device(card)
            for item in source:
                if not self.put((item,)):
                    return
        except BaseException as error:  # whatever it is, the thread that needs the item raises it
            end = error
        self.put(end)


def _read(source: Iterator[T], ahead: int) -> Iterator[T]:
    queued = _Queued[T](ahead)
    card = torch.cuda.current_device() if torch.cuda.is_available() else None
    Thread(target=queued.fill, args=(source, card), daemon=True).start()
    try:
        while (found := queued.queue.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found[0]
    finally:
        queued.over.set()
