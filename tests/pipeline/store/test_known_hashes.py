import os
import time
from pathlib import Path

import pytest

from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.store import known_hashes
from pipeline.store.known_hashes import sha256_of_model
from tests.noting import noting


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    monkeypatch.setattr(known_hashes, "sha256_of_file", noting(names, lambda path: path.name, sha256_of_file))
    monkeypatch.setattr(known_hashes, "LARGE_BYTES", 4)
    return names


def a_while_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3 * 10**9)


def test_a_file_that_is_as_it_was_is_read_once(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/large").write_bytes(b"12345")
    (tmp_path / "m/small").write_bytes(b"123")
    a_while_later(monkeypatch)
    wanted = sha256_of_tree(tmp_path / "m")
    assert [sha256_of_model(tmp_path / "m") for _ in range(3)] == [wanted] * 3
    assert read.count("large") == 1
    assert sha256_of_model(tmp_path / "none") is None


def test_a_change_is_seen_though_length_and_time_are_put_back(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"12345")
    before = file.stat()
    a_while_later(monkeypatch)
    first = sha256_of_model(file)
    time.sleep(0.02)  # the clock's grain
    file.write_bytes(b"12346")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sha256_of_model(file) == sha256_of_tree(file) != first


def test_a_file_just_written_is_not_relied_on(tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "large").write_bytes(b"12345")
    assert sha256_of_model(tmp_path / "large") == sha256_of_model(tmp_path / "large")
    assert read == ["large", "large"]
