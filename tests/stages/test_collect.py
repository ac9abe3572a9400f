import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.pictures import measures
from pipeline.pictures.left_out import ids_left_out
from pipeline.pictures.records import Record, read_records
from pipeline.schemas import CollectConfig
from stages import collect, compose
from tests.noting import noting
from tests.pipeline.pictures.settings import settings
from tests.stages.project import draw_pictures, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    compose.main([])
    return folder


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures of noise, in a working folder without a project."""
    monkeypatch.chdir(tmp_path)
    draw_pictures(tmp_path / "photos/2_zib", 3)
    return tmp_path / "photos/2_zib"


def small(**changes: Any) -> CollectConfig:
    return settings(source="photos", min_side_px=64, **changes)


def collected(config: CollectConfig, folder: Path = Path()) -> dict[str, Record]:
    collect.collect(config, folder)
    return {record.id: record for record in read_records(folder / "data/collected")}


def test_every_unfit_picture_is_named_with_its_reason_and_nothing_is_written(project: Path) -> None:
    photos = project / "photos" / "2_zib"
    (photos / "cut.png").write_bytes((photos / "0.png").read_bytes()[:500])
    (photos / "zero.jpg").touch()
    Image.new("RGB", (32, 32)).save(photos / "small.png")
    (photos / "twin.png").write_bytes((photos / "1.png").read_bytes())
    (photos / "lost.txt").write_text("a cat")
    (project / "data").mkdir()
    (project / "data/waivers.yaml").write_text("zib/smal: {too_small: x}\nzib/1: {blurr: x}\n")
    with pytest.raises(UserError) as error:
        collect.main([])
    text = str(error.value)
    assert "lost.txt: a caption without a picture" in text
    assert "cut.png: damaged or cut short" in text
    assert "zero.jpg: not a picture" in text
    assert "small.png: 32x32 px" in text
    assert "twin.png: the same file as zib/1.png; delete one of them [zib/twin: duplicate]" in text
    assert "zib/smal matches no picture; did you mean zib/small" in text
    assert "'blurr' is not a check; did you mean blur?" in text
    assert "waive it in data/waivers.yaml" in error.value.problems[-1]
    assert len(error.value.problems) == 8
    assert [path.name for path in (project / "data").iterdir()] == ["waivers.yaml"]


def test_files_are_kept_as_they_came_with_their_captions(project: Path) -> None:
    photos = project / "photos" / "2_zib"
    (photos / "1.txt").write_text("\ufeffa  cat,\nsmile\n", encoding="utf-8")
    collect.main([])
    folder = project / "data" / "collected"
    assert (folder / "pictures" / "zib" / "1.png").read_bytes() == (photos / "1.png").read_bytes()
    captions = {record.id: record.caption for record in read_records(folder)}
    assert captions == {"zib/0": None, "zib/1": "a cat, smile", "zib/2": None}


def test_a_source_that_the_graph_does_not_watch_is_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collect.main([])
    assert "photos is not among the deps of collect in dvc.yaml" in capsys.readouterr().err


def test_warnings_are_printed_recorded_and_counted(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (80, 80), "black").save(photos / "night.png")
    records = collected(small())
    assert records["zib/night"].verdict == "warn"
    assert [note.partition(":")[0] for note in records["zib/night"].notes] == ["blur", "dark"]
    assert records["zib/0"].verdict == "ok"
    printed = capsys.readouterr().err.splitlines()
    assert [line[:30] for line in printed] == [
        "warning: blur: photos/2_zib/ni",
        "warning: dark: photos/2_zib/ni",
    ]
    metrics = json.loads(Path("metrics/collect.json").read_text())
    assert metrics["verdicts"] == {"dropped": 0, "ok": 3, "warn": 1}
    assert metrics["checks"] == {"blur": 1, "dark": 1}
    assert Path("plots/collect/verdicts.csv").read_text().splitlines() == [
        "verdict,pictures", "blur,1", "dark,1", "dropped,0", "ok,3", "warn,1",
    ]  # fmt: skip
    assert Path("plots/collect/sizes.csv").read_text().splitlines()[1] == "zib/0,64,96"


def test_many_of_one_kind_are_one_line(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_pictures(photos, 9)
    collected(settings(source="photos", min_side_px=97, checks={"too_small": "warn"}))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "warning: too_small: 9 pictures (zib/0, zib/1, zib/2, zib/3, zib/4 and 4 more); 64x96"
    )


def test_what_is_dropped_is_left_out_and_told(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "cut.png").write_bytes((photos / "0.png").read_bytes()[:500])
    (photos / "0-copy.png").write_bytes((photos / "0.png").read_bytes())
    records = collected(small(checks={"truncated": "drop", "duplicate": "drop"}))
    assert records.keys() == {"zib/0", "zib/1", "zib/2"}
    rows = read_jsonl(Path("data/collected/left_out.jsonl"))
    assert [(row["id"], row["check"]) for row in rows] == [
        ("zib/0-copy", "duplicate"),
        ("zib/cut", "truncated"),
    ]
    assert sorted(path.stem for path in Path("data/collected/pictures/zib").iterdir()) == ["0", "1", "2"]
    assert "warning: truncated, left out: photos/2_zib/cut.png" in capsys.readouterr().err


def test_when_all_are_dropped_it_is_an_error(photos: Path) -> None:
    with pytest.raises(UserError, match="no picture is left"):
        collected(settings(source="photos", min_side_px=4096, checks={"too_small": "drop"}))


def test_a_waiver_lets_a_picture_pass_and_an_idle_one_is_told(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.effect_noise((70, 40), 99).convert("RGB").save(photos / "scan.png")
    Path("data").mkdir()
    Path("data/waivers.yaml").write_text("zib/sc*: {too_small: only scans exist}\nzib/0: {blur: x}\n")
    records = collected(small())
    assert records["zib/scan"].verdict == "waived"
    (note,) = records["zib/scan"].notes
    assert note.startswith("too_small: 70x40 px")
    assert note.endswith("; waived: only scans exist")
    assert "zib/0: blur is waived, but no such picture" in capsys.readouterr().err
    assert json.loads(Path("metrics/collect.json").read_text())["verdicts"]["waived"] == 1


def test_near_duplicates_are_one_group(photos: Path) -> None:
    coffee = Image.fromarray(data.coffee())
    coffee.save(photos / "a.png")
    coffee.resize((300, 200)).save(photos / "b.jpg")
    records = collected(small())
    assert records["zib/b"].group == records["zib/a"].group == "zib/a"
    assert records["zib/b"].notes[0].startswith("near_duplicate: looks like zib/a.png")
    assert records["zib/a"].verdict == "ok"
    assert records["zib/1"].group == "zib/1"
    off = collected(small(checks={"near_duplicate": "off"}))
    assert (off["zib/b"].group, off["zib/b"].verdict) == ("zib/a", "ok")


def test_faces_are_counted_where_asked(photos: Path) -> None:
    Image.fromarray(data.astronaut()).save(photos / "a.png")
    asked = collected(small(checks={"no_face": "warn", "several_faces": "warn", "watermark": "off"}))
    assert asked["zib/a"].verdict == "ok"
    assert asked["zib/0"].notes == ["no_face: no face was found"]


def test_class_pictures_are_marked(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_pictures(photos.parent.parent / "reg/1_dog", 12)
    for number in range(3):
        (photos.parent.parent / f"reg/1_dog/{number}.png").unlink()
    records = collected(small(class_source="reg", aim="character"))
    assert {record.id for record in records.values() if record.is_class} == {f"dog/{n}" for n in range(3, 12)}
    metrics = json.loads(Path("metrics/collect.json").read_text())
    assert (metrics["pictures"], metrics["class_pictures"], metrics["exposures"]) == (3, 9, 6)
    assert metrics["proposed_repeats"] == {"zib": 47}
    printed = capsys.readouterr().err
    assert "zib: 3 pictures; 8-50 are usual for the aim character" in printed
    assert "9 showings of class pictures an epoch, but 6 of the subject" in printed


def test_one_more_picture_is_one_more_measurement(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = collected(small())
    taken: list[object] = []
    monkeypatch.setattr(measures, "of_reading", noting(taken, lambda *given: given, measures.of_reading))
    Image.effect_noise((90, 90), 99).convert("RGB").save(photos / "new.png")
    after = collected(small())
    assert len(taken) == 1
    assert after.items() >= before.items()
    collected(small(max_aspect=2.0, min_sharpness=1))
    assert len(taken) == 1


def test_outputs_do_not_say_where_they_were_made(photos: Path, tmp_path: Path) -> None:
    (photos / "cut.png").write_bytes((photos / "0.png").read_bytes()[:500])
    (photos / "copy.png").write_bytes((photos / "0.png").read_bytes())
    (photos / "0.jpg").write_bytes((photos / "1.png").read_bytes())
    checks = {"duplicate": "warn", "truncated": "drop", "same_stem": "drop"}
    collected(settings(source=str(photos.parent), min_side_px=64, checks=checks), tmp_path / "elsewhere")
    written = [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert not [path for path in written if str(tmp_path).encode() in path.read_bytes()]


def test_the_demo_passes_without_a_word(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = collected(settings(source="demo/pictures", min_side_px=128), tmp_path)
    assert len(records) == 24
    assert {record.verdict for record in records.values()} == {"ok"}
    assert capsys.readouterr().err == ""


def test_pictures_left_out_by_hand_are_named_with_their_reason(photos: Path) -> None:
    Path("data").mkdir()
    Path("data/left_out.yaml").write_text("zib/0: the wrong character\n")
    assert collected(small()).keys() == {"zib/1", "zib/2"}
    (fault,) = read_jsonl(Path("data/collected/left_out.jsonl"))
    assert (fault["check"], fault["sentence"]) == ("by_hand", "the wrong character")
    assert ids_left_out() == {"zib/0"}
    Path("data/left_out.yaml").write_text('"zib/*": drawn before\nzib/1: worse\n')
    with pytest.raises(UserError):  # nothing is left
        collected(small())
    Path("data/left_out.yaml").write_text("{}\n")
    assert len(collected(small())) == 3


def test_a_left_out_line_that_names_no_picture_or_no_reason_is_an_error(photos: Path) -> None:
    Path("data").mkdir()
    Path("data/left_out.yaml").write_text("zib/O: a typo\nzib/1:\n")
    with pytest.raises(UserError) as error:
        collected(small())
    assert "zib/1 needs a reason in words" in str(error.value)
    Path("data/left_out.yaml").write_text("zib/O: a typo\n")
    with pytest.raises(UserError, match="zib/O matches no picture; did you mean zib/"):
        collected(small())


def test_a_collect_that_stops_leaves_its_faults_for_the_workbench(photos: Path) -> None:
    Image.new("RGB", (32, 32)).save(photos / "small.png")
    with pytest.raises(UserError):
        collect.collect(small(), Path(), leaves_gate=True)
    left = json.loads(Path(".athanor/workbench/gate.json").read_text())
    (fault,) = (fault for fault in left["faults"] if fault["check"] == "too_small")
    assert (fault["id"], fault["verdict"], fault["limit"]) == ("zib/small", "error", 64)
    assert left["pictures"]["zib/small"].endswith("2_zib/small.png")
    (photos / "small.png").unlink()
    collect.collect(small(), Path(), leaves_gate=True)
    assert json.loads(Path(".athanor/workbench/gate.json").read_text())["faults"] == []
