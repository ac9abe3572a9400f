import os
from pathlib import Path

from pipeline.files.hashing import sha256_of_bytes
from pipeline.store.seal import is_sealed, seal, seal_ns


def test_a_seal_follows_from_name_and_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x")
        seal(tmp_path / name, "key")
    assert (tmp_path / "a").stat().st_mtime_ns == seal_ns("key", sha256_of_bytes(b"x"))
    assert is_sealed(tmp_path / "b", "key")
    assert not is_sealed(tmp_path / "b", "another")


def test_no_two_seals_are_alike() -> None:
    seals = {seal_ns(f"{number}.png", str(content)) for number in range(100) for content in range(10)}
    assert len(seals) == 1000
    assert all(10**18 <= each < 10**18 + 10**17 for each in seals)


def test_what_is_not_there_or_cannot_be_read_is_not_sealed(tmp_path: Path) -> None:
    assert not is_sealed(tmp_path / "none", "key")
    os.symlink(tmp_path / "round", tmp_path / "round")
    assert not is_sealed(tmp_path / "round", "key")
