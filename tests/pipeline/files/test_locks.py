"""A lock keeps others out, ends with its holder however that ends, and passes to a child that inherits it."""

import subprocess
import sys
import threading
from pathlib import Path
from signal import SIGKILL

import pytest

from pipeline.files.locks import locked, locked_now

HOLDER = """
import subprocess, sys
from pathlib import Path
from pipeline.files.locks import locked
with locked(Path(sys.argv[1])) as lock:
    words = [sys.executable, "-c", "input()"]
    child = subprocess.Popen(words, pass_fds=[lock.fileno()] if sys.argv[2] == "passed" else [])
    print(child.pid, flush=True)
    child.wait() if sys.argv[3] == "waits" else None
"""


def holder(lock: Path, passing: str, ending: str) -> subprocess.Popen[str]:
    """A process that holds the lock and has a child, which lives until its input ends."""
    words = [sys.executable, "-c", HOLDER, str(lock), passing, ending]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    return process


def is_free(lock: Path) -> bool:
    with locked_now(lock) as free:
        return free


def test_one_holds_it_and_others_see_so(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "one"
    with locked(lock):
        assert not is_free(lock)
        with locked(tmp_path / "locks" / "other"):
            assert is_free(tmp_path / "locks" / "third")
    assert is_free(lock)


def test_a_look_at_a_held_lock_does_not_release_it(tmp_path: Path) -> None:
    with locked(tmp_path / "one"):
        assert [is_free(tmp_path / "one") for _ in range(2)] == [False, False]


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "one"):
            order.append("second")

    with locked(tmp_path / "one"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_what_the_file_holds_stays(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("kept")
    with locked(tmp_path / "one"), locked_now(tmp_path / "one"):
        pass
    assert (tmp_path / "one").read_text() == "kept"


def test_it_ends_with_a_holder_that_is_killed(tmp_path: Path) -> None:
    process = holder(tmp_path / "one", "kept", "waits")
    assert not is_free(tmp_path / "one")
    process.send_signal(SIGKILL)
    process.wait()
    assert is_free(tmp_path / "one")
    process.communicate()


@pytest.mark.parametrize("ending", ["killed", "leaves"])
def test_a_child_that_inherits_the_file_holds_it_on(ending: str, tmp_path: Path) -> None:
    """A sweep's job holds its lock until it has ended, even where the worker that began it is gone."""
    process = holder(tmp_path / "one", "passed", "waits" if ending == "killed" else "leaves")
    if ending == "killed":
        process.send_signal(SIGKILL)
    process.wait()
    assert not is_free(tmp_path / "one")
    process.communicate("\n")  # the child's input ends, and so does the child
    with locked(tmp_path / "one"):
        pass
