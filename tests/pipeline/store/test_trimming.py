"""Nothing that is locked or in use is removed from the store; what is removed goes whole."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.store.items import Items, store_root
from pipeline.store.trimming import trim
from pipeline.training.run_folder import LAST_STATE, RunFolder, run_folder
from tests.conftest import ROOT

USER = """
import sys
from pipeline.store.items import Items
print(Items("crop").has("bb2"), flush=True)
sys.stdin.read()
"""


def put(*names: str) -> Items:
    """Each of 100 bytes; the first was used longest ago."""
    items = Items("crop")
    for number, name in enumerate(names):
        items.put(name, b"x" * 100)
        os.utime(items.path(name), ns=(number, items.path(name).stat().st_mtime_ns))
    return items


def test_what_was_used_longest_ago_goes_first() -> None:
    items = put("aa1", "bb2", "cc3")
    assert items.has("aa1")
    assert trim(store_root(), 250) == 200
    assert [name for name in ("aa1", "bb2", "cc3") if items.has(name)] == ["aa1", "cc3"]
    assert trim(store_root(), 1000) == 200


def test_what_a_killed_process_left_is_removed_after_a_day() -> None:
    items = put("aa1")
    old, new, folder = (items.path("aa1").with_name(f".{name}.1.part") for name in ("old", "new", "folder"))
    folder.mkdir()
    (folder / "1.jpg").touch()
    for path in (old, new):
        path.touch()
    for path in (old, folder):
        os.utime(path, (0, 0))
    trim(store_root(), 1000)
    assert (old.exists(), folder.exists(), new.exists()) == (False, False, True)


def training(name: str) -> Path:
    """A training's folder: two epochs and a checkpoint, 300 bytes, used long ago."""
    place = RunFolder(store_root() / "training" / name)
    for file in (place.files / "net-000001", place.files / "net-000002", place.folder / LAST_STATE):
        file.write_bytes(b"x" * 100)
    for path in (*place.folder.rglob("*"), place.folder):
        os.utime(path, (0, 0))
    return place.folder


def content(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_training_that_is_under_way_is_not_trimmed() -> None:
    folder = training("f" * 64)
    before = content(folder)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.utime(folder, (0, 0))
        os.utime(folder / "lock", (0, 0))
        assert trim(store_root(), 0) == 300
        assert content(folder) == sorted([*before, "lock"])
    assert trim(store_root(), 0) == 0
    assert not folder.exists()


def test_an_unfinished_training_goes_whole() -> None:
    old, new = training("a" * 64), training("b" * 64)
    os.utime(new / LAST_STATE, (10**9, 10**9))
    assert trim(store_root(), 300) == 300
    assert not old.exists()
    assert content(new) == ["last.pt", "net-000001", "net-000002"]


@pytest.mark.parametrize("second", [False, True])
def test_a_running_training_keeps_its_epochs_through_a_trim(second: bool) -> None:
    with run_folder("a recipe", "code", 1) as first:
        if not second:
            keeps_its_epoch(first)
            return
        with run_folder("a recipe", "code", 1) as place:
            assert place.folder != first.folder
            keeps_its_epoch(place)


def keeps_its_epoch(place: RunFolder) -> None:
    (place.files / "net-000001").write_bytes(b"x" * 100)
    for path in (*place.folder.rglob("*"), place.folder):
        os.utime(path, (0, 0))
    trim(store_root(), 0)
    assert (place.files / "net-000001").read_bytes() == b"x" * 100


@contextmanager
def another_command() -> Iterator[None]:
    """One that has used bb2 and still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "True\n"
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def test_what_another_running_command_has_used_is_not_trimmed() -> None:
    items = put("aa1", "bb2")
    with another_command():
        assert trim(store_root(), 0) == 100
        assert not items.path("aa1").exists()
        assert items.get("bb2") == b"x" * 100
    assert trim(store_root(), 0) == 0
    assert not items.path("bb2").exists()


def test_a_folder_of_downloads_goes_whole() -> None:
    items = Items("gallery-dl")
    for item_key in ("aa1", "bb2"):
        with items.new(item_key, folder=True) as part:
            for name in ("1.jpg", "2.jpg"):
                (part / name).write_bytes(b"x" * 100)
    for file in items.path("aa1").iterdir():
        os.utime(file, (0, 0))
    assert trim(store_root(), 300) == 200
    assert not items.path("aa1").exists()
    assert content(items.path("bb2")) == ["1.jpg", "2.jpg"]
