"""Items read ahead: the same in the same order, no more than asked for, and errors where they are due."""

import time
from collections.abc import Iterator
from threading import active_count

import pytest

from pipeline.training.prefetched import Prefetched
from tests.pipeline.training.stepped import are_equal, batches_of, made, stepped, weights_of


class Counted:
    """Counts what has been read."""

    def __init__(self, number: int, breaks_at: int | None = None) -> None:
        self.number, self.breaks_at, self.read = number, breaks_at, 0

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[int]:
        for each in range(self.number):
            if each == self.breaks_at:
                raise OSError("the file is gone")
            self.read += 1
            yield each


def settled(counted: Counted) -> int:
    """What has been read when nothing more is."""
    before = -1
    while before != counted.read:
        before = counted.read
        time.sleep(0.05)
    return before


def test_the_same_items_in_the_same_order() -> None:
    items = Prefetched(Counted(20))
    assert len(items) == 20
    assert list(items) == list(items) == list(range(20))


def test_only_a_few_are_read_ahead() -> None:
    counted = Counted(20)
    reading = iter(Prefetched(counted, ahead=2))
    assert next(reading) == 0
    assert settled(counted) == 4  # the one that is used, two that wait, one that finds no room


def test_an_error_comes_where_its_item_is_due() -> None:
    reading = iter(Prefetched(Counted(20, breaks_at=3)))
    assert [next(reading) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the file is gone"):
        next(reading)


def test_a_run_that_stops_leaves_no_thread() -> None:
    before = active_count()
    reading = iter(Prefetched(Counted(20)))
    next(reading)
    assert active_count() == before + 1
    del reading
    deadline = time.monotonic() + 5
    while active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert active_count() == before


@pytest.mark.usefixtures("root")
def test_a_training_ends_with_the_same_bytes() -> None:
    plain, ours = made({}, {"train.ema_decay": 0.9}), made({}, {"train.ema_decay": 0.9})
    stepped(plain, batches_of(plain.base))
    stepped(ours, batches_of(ours.base), reads_ahead=True)
    assert are_equal(weights_of(plain), weights_of(ours))
