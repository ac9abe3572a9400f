import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from pipeline.pictures.folders import Findings
from pipeline.pictures.sources import find, work_folder
from tests.pipeline.pictures.settings import settings


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def found(tmp_path: Path, **changes: Any) -> Findings:
    return find(settings(**changes), tmp_path / "work")


def ids(findings: Findings) -> list[tuple[str, int, str | None]]:
    assert findings.problems == []
    assert findings.faults == []
    return [(item.id, item.repeats, item.caption) for item in findings.pictures]


def test_several_sources_and_class_pictures(tmp_path: Path) -> None:
    one = fill(tmp_path / "one", **{"7_zib/b.png": b"", "7_zib/a.png": b""})
    two = fill(tmp_path / "2_hat", **{"c.png": b""})
    reg = fill(tmp_path / "reg", **{"1_dog/d.png": b""})
    findings = found(tmp_path, source=[str(one), str(two)], class_source=str(reg))
    assert ids(findings) == [("dog/d", 1, None), ("hat/c", 2, None), ("zib/a", 7, None), ("zib/b", 7, None)]
    assert [item.is_class for item in findings.pictures] == [True, False, False, False]


def test_every_problem_of_the_sources_is_told_at_once(tmp_path: Path) -> None:
    fill(tmp_path / "x", **{"a.png": b"", "b.txt": b""})
    fill(tmp_path / "y" / "x", **{"c.png": b""})
    (tmp_path / "empty").mkdir()
    (tmp_path / "set.rar").touch()
    sources = [str(tmp_path / name) for name in ("x", "empty", "gone", "set.rar")]
    findings = found(tmp_path, source=sources, class_source=str(tmp_path / "y"))
    told = "\n".join(findings.problems)
    assert "b.txt: a caption without a picture" in told
    assert "empty: no pictures in it" in told
    assert "gone: no such file or folder" in told
    assert "set.rar: not a readable source; give a folder, an archive (.zip" in told
    assert "concept x is in both collect.source and collect.class_source" in told


@pytest.mark.parametrize("name", ["3_zib.zip", "3_zib.tar", "3_zib.tar.gz", "3_zib.TGZ", "3_zib.tar.xz"])
def test_archives_are_read_as_folders(tmp_path: Path, name: str) -> None:
    members = {"a.png": png(), "a.txt": b"a cat", "5_hat/b.png": png(1)}
    archive = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w") as packed:
            for member, data in members.items():
                packed.writestr(member, data)
    else:
        with tarfile.open(archive, {"r": "w", "z": "w:gz", "Z": "w:gz"}.get(name[-1], "w:xz")) as tar:  # type: ignore[call-overload]
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    with work_folder(tmp_path / "work"):
        findings = found(tmp_path, source=str(archive))
        assert ids(findings) == [("hat/b", 5, None), ("zib/a", 3, "a cat")]
        picture = list(findings.pictures)[1]
        assert picture.path.read_bytes() == members["a.png"]
        assert picture.where == f"{archive}!/a.png"
        assert picture.origin == {"source": "3_zib", "path": "a.png"}
    assert not (tmp_path / "work").exists()


def write_table(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


@pytest.mark.parametrize("struct", [True, False])
def test_parquet_tables_hold_pictures_and_captions(tmp_path: Path, struct: bool) -> None:
    pictures = [png(seed) for seed in range(40)]
    cells = [{"bytes": data, "path": "x.png"} for data in pictures] if struct else pictures
    write_table(tmp_path / "4_zib.parquet", image=cells, text=[f"no  {n}" for n in range(40)])
    findings = found(tmp_path, source=str(tmp_path / "4_zib.parquet"))
    assert ids(findings)[7] == ("zib/4_zib-000007", 4, "no 7")
    assert [item.path.read_bytes() for item in findings.pictures] == pictures
    assert list(findings.pictures)[7].origin == {"source": "4_zib.parquet", "row": 7}


def test_tables_in_a_folder_are_of_the_folders_concept(tmp_path: Path) -> None:
    write_table(tmp_path / "hub" / "3_zib" / "train-0.parquet", image=[png()], caption=["x"])
    assert ids(found(tmp_path, source=str(tmp_path / "hub"))) == [("zib/train-0-000000", 3, "x")]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"url": ["x"]}, "no column of image bytes, only url"),
        ({"image": [b"x", None]}, "row 1 has no image bytes"),
    ],
)
def test_tables_without_pictures_are_a_sentence(
    tmp_path: Path, columns: dict[str, list[Any]], reason: str
) -> None:
    write_table(tmp_path / "a.parquet", **columns)
    (problem,) = found(tmp_path, source=str(tmp_path / "a.parquet")).problems
    assert reason in problem


@pytest.mark.parametrize("keep", [0, 3, 60])
def test_damaged_tables_are_a_sentence(tmp_path: Path, keep: int) -> None:
    write_table(tmp_path / "b.parquet", image=[png()])
    (tmp_path / "a.parquet").write_bytes((tmp_path / "b.parquet").read_bytes()[:keep])
    (problem,) = found(tmp_path, source=str(tmp_path / "a.parquet")).problems
    assert "damaged, or not a parquet file" in problem
