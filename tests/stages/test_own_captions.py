"""Captions that people have, through collect and filter-tags as commands."""

import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl, write_jsonl
from pipeline.pictures.records import read_records
from stages import collect, filter_tags
from tests.pipeline.captions.filter_tags_config import row
from tests.pipeline.pictures.settings import settings
from tests.stages.project import draw_pictures
from tests.stages.test_filter_tags import project, set_params  # noqa: F401


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw_pictures(tmp_path / "photos/2_zib", 3)
    return tmp_path / "photos/2_zib"


def test_lines_of_captions_are_read_as_what_they_are_and_said(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "0.txt").write_text("1girl\nlong_hair\n")
    (photos / "1.txt").write_text("a woman in a suit\n\na girl on the beach\n")
    (photos / "2.txt").write_text("1gi\x07rl")
    collect.collect(settings(source="photos", min_side_px=64), Path())
    assert [record.caption for record in read_records(Path("data/collected"))] == [
        "1girl, long_hair",
        "a woman in a suit\na girl on the beach",
        "1girl",
    ]
    assert capsys.readouterr().err.startswith(
        "captions of several lines were read 1 as alternatives, drawn at random, 1 as one tag per line;"
        " collect.caption_lines sets one way\n"
        "control characters were removed from 1 captions: photos/2_zib/2.png\n"
    )
    metrics = json.loads(Path("metrics/collect.json").read_text())
    assert metrics["caption_lines"] == {"alternatives": 1, "tags": 1}


def test_warnings_are_shown_beside_errors(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "film.mp4").write_bytes(b"x")
    (photos / "IMG.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(UserError, match=r"IMG\.heic: "):
        collect.collect(settings(source="photos", min_side_px=64), Path())
    assert "unknown_file: photos/2_zib/film.mp4" in capsys.readouterr().err


def test_a_set_without_pictures_says_what_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("5_x/a.mov", "5_x/b.MOV", "5_x/c.pdf", "0_y/d.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    with pytest.raises(
        UserError, match=r"but 2 \.mov, 1 \.pdf, 1 pictures below folders of 0 repeats; readable: \.avif"
    ):
        collect.collect(settings(source="photos"), Path())
    draw_pictures(tmp_path / "photos/5_x", 1)
    dropped = settings({"too_small": "drop"}, source="photos", min_side_px=9000)
    with pytest.raises(UserError, match=r"all were dropped \(too_small 1\)"):
        collect.collect(dropped, Path())


def test_what_became_of_own_captions_is_on_the_terminal_and_in_the_metrics(
    project: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = ["a woman in an orange suit, smiling", "orange_suit, hat"]
    rows = [row(f"zib/{n}", {"smiling": 0.9}, caption=text) for n, text in enumerate(mine)]
    write_jsonl(project / "data/tags/tags.jsonl", rows)
    added = {"existing_form": "auto", "filter_existing": False, "caption_separator": ","}
    set_params(project, trigger="myname", blacklist=["hat"], **added)
    filter_tags.main(["--preview"])
    said = "own captions: 2 (1 read as sentences, 1 as lists of tags); 1 changed: 1 tags or clauses removed"
    assert said in capsys.readouterr().err
    texts = project / "data/captions/captions.jsonl"
    assert not texts.exists()
    for one in rows:  # the page wants a crop of each
        one["id"] = one["id"].replace("zib/0", "zib/a").replace("zib/1", "zib/b")
    write_jsonl(project / "data/tags/tags.jsonl", [*rows, row("girl/c", is_class=True)])
    filter_tags.main([])
    assert said in capsys.readouterr().err
    captions = {one["id"]: one["caption"] for one in read_jsonl(texts)}
    assert captions["zib/a"] == "myname, a woman in an orange suit, smiling"
    assert captions["zib/b"] == "myname, orange suit, smiling"
    own = json.loads((project / "metrics/filter_tags.json").read_text())["own"]
    assert own == {"texts": 1, "tag_lists": 1, "changed": 1, "too_long": 0, "lost_by": {"blacklist": 1}}
