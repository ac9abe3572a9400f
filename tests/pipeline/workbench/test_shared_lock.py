"""Work on all captions makes room for whoever waits."""

from threading import Event, Thread

from pipeline.workbench.shared_lock import SharedLock


def test_the_holder_sees_that_another_waits_but_not_itself() -> None:
    lock, came = SharedLock(), Event()

    def other() -> None:
        with lock:
            came.set()

    with lock, lock:
        assert not lock.is_awaited()
        thread = Thread(target=other)
        thread.start()
        for _ in range(10_000):
            if lock.is_awaited():
                break
            came.wait(0.001)
        assert lock.is_awaited()
        assert not came.is_set()
    thread.join(10)
    assert came.is_set()
    assert not lock.is_awaited()
