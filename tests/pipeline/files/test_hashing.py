import hashlib
from pathlib import Path

from pipeline.files.hashing import legacy_hash, sha256_of_file, sha256_of_tree


def test_a_file_has_its_bytes_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert (
        sha256_of_file(tmp_path / "a") == sha256_of_tree(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    )


def test_a_folders_hash_follows_names_and_bytes_but_not_place_or_hidden_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a").write_bytes(b"1")
    (tmp_path / "two" / ".hidden").touch()
    assert sha256_of_tree(tmp_path / "one") == sha256_of_tree(tmp_path / "two")
    (tmp_path / "two" / "sub" / "a").write_bytes(b"2")
    assert sha256_of_tree(tmp_path / "one") != sha256_of_tree(tmp_path / "two")
    assert sha256_of_tree(tmp_path / "none") is None


def test_a_folders_hash_can_be_of_some_of_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "one" / "sub").mkdir(parents=True)
    (tmp_path / "one" / "a.onnx").write_bytes(b"1")
    alone = sha256_of_tree(tmp_path / "one")
    (tmp_path / "one" / "b.md").write_bytes(b"2")
    (tmp_path / "one" / "sub" / "a.onnx").write_bytes(b"3")
    assert sha256_of_tree(tmp_path / "one", ("*.onnx", "a.*")) == alone != sha256_of_tree(tmp_path / "one")


def test_the_legacy_hash_reads_64_kib_from_1_mib_on(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192
    (tmp_path / "a").write_bytes(data)
    assert legacy_hash(tmp_path / "a") == hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]
