"""What archives may hold; tests/stages/test_hostile_files.py has what they may not."""

import os
import shutil
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from pipeline.pictures.archives import ArchiveError, suffix_of, unpack


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.zip", ".zip"), ("a.tar.gz", ".tar.gz"), ("a.b.TGZ", ".tgz"), ("a.gz", None), ("zip", None)],
)
def test_suffixes(name: str, suffix: str | None) -> None:
    assert suffix_of(name) == suffix


def test_members_come_out_as_bytes_without_their_permissions(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a/b.png")
    info.external_attr = 0o4777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a/", b"")
        file.writestr(info, b"bytes")
    unpack(tmp_path / "a.zip", tmp_path / "out")
    made = tmp_path / "out/a/b.png"
    assert made.read_bytes() == b"bytes"
    assert not os.stat(made).st_mode & 0o7111


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_flipped_bytes_give_files_or_a_reason(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a/b.png").write_bytes(bytes(range(256)) * 4)
    kinds = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar", ".tar.xz": "xztar", ".tar.bz2": "bztar"}
    whole = Path(shutil.make_archive(str(tmp_path / "whole"), kinds[suffix], tmp_path / "in")).read_bytes()
    generator, archive = Random(suffix), tmp_path / f"a{suffix}"
    for number in range(100):
        data = bytearray(whole)
        for _ in range(generator.choice((1, 3, 10))):
            data[generator.randrange(len(data))] = generator.randrange(256)
        archive.write_bytes(data)
        with suppress(ArchiveError):
            unpack(archive, tmp_path / "out" / str(number))
    assert {path.name for path in tmp_path.iterdir()} == {"in", archive.name, "out", f"whole{suffix}"}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["a.png", "a.png"], "member 'a.png' collides with another one"),
        (["a.png", "a.png/b.png"], "collides with another one"),
        (["n" * 300 + ".png"], "is empty or too long for a disk"),
    ],
)
def test_members_that_would_replace_each_other_are_refused(
    tmp_path: Path, members: list[str], reason: str
) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        warnings.simplefilter("ignore")
        for name in members:
            file.writestr(name, b"x")
    with pytest.raises(ArchiveError, match=reason):
        unpack(tmp_path / "a.zip", tmp_path / "out")
