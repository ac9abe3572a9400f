from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.pictures.records import read_records
from stages import collect, compose
from tests.stages.project import make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    compose.main([])
    return folder


def test_every_unfit_picture_is_named_with_its_reason_and_nothing_is_written(project: Path) -> None:
    photos = project / "photos" / "2_zib"
    (photos / "cut.png").write_bytes((photos / "0.png").read_bytes()[:500])
    (photos / "zero.jpg").touch()
    Image.new("RGB", (32, 32)).save(photos / "small.png")
    (photos / "twin.png").write_bytes((photos / "1.png").read_bytes())
    (photos / "lost.txt").write_text("a cat")
    with pytest.raises(UserError) as error:
        collect.main([])
    assert len(error.value.problems) == 5
    text = str(error.value)
    assert "lost.txt: a caption without a picture" in text
    assert "cut.png: damaged or cut short" in text
    assert "zero.jpg: not a picture" in text
    assert "small.png: 32x32 px" in text
    assert "zib/1 and zib/twin are the same file" in text
    assert not (project / "data").exists()


def test_files_are_kept_as_they_came_with_their_captions(project: Path) -> None:
    photos = project / "photos" / "2_zib"
    (photos / "1.txt").write_text("\ufeffa  cat,\nsmile\n", encoding="utf-8")
    collect.main([])
    collected = project / "data" / "collected"
    assert (collected / "pictures" / "zib" / "1.png").read_bytes() == (photos / "1.png").read_bytes()
    captions = {record.id: record.caption for record in read_records(collected)}
    assert captions == {"zib/0": None, "zib/1": "a cat, smile", "zib/2": None}
