import unicodedata
from pathlib import Path

import pytest

from pipeline.pictures.folder_names import concept_of
from pipeline.pictures.folders import Findings, read_folder
from pipeline.pictures.places import SourceFolder

COLUMNS = ["text", "caption"]


def touch(*paths: Path, text: str = "") -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def read(folder: Path, repeats: int = 1) -> Findings:
    findings = Findings()
    read_folder(SourceFolder(folder, folder.name, (folder.name,)), repeats, COLUMNS, findings)
    return findings


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["pictures"], ("pictures", 2, ())),
        (["pictures", "dogs"], ("dogs", 2, ())),
        (["pictures", "dogs", "small"], ("dogs", 2, ("small",))),
        (["pictures", "7_my cat"], ("my cat", 7, ())),
        (["pictures", "set", "7_cat", "day"], ("cat", 7, ("day",))),
        (["7_cat", "5_hat"], ("hat", 5, ())),
        (["7_cat", "day"], ("cat", 7, ("day",))),
        (["07_cat"], ("cat", 7, ())),
        (["7_"], ("7_", 2, ())),
        (["7_3_cat"], ("3_cat", 7, ())),
    ],
)
def test_the_nearest_named_folder_gives_concept_and_repeats(
    parts: list[str], expected: tuple[str, int, tuple[str, ...]]
) -> None:
    assert concept_of(parts, default_repeats=2) == expected


def test_pictures_at_any_depth_are_found_and_named(tmp_path: Path) -> None:
    touch(tmp_path / "7_cat" / "a.png", tmp_path / "7_cat" / "day" / "a.JPG", tmp_path / "c.webp")
    found = list(read(tmp_path).pictures)
    assert {(item.id, item.file, item.repeats) for item in found} == {
        ("cat/a", "cat/a.png", 7),
        ("cat/day_a", "cat/day_a.JPG", 7),
        (f"{tmp_path.name}/c", f"{tmp_path.name}/c.webp", 1),
    }
    assert {item.origin["path"] for item in found} == {"7_cat/a.png", "7_cat/day/a.JPG", "c.webp"}


def test_hidden_files_and_notes_are_left_alone_and_all_else_is_told(tmp_path: Path) -> None:
    touch(tmp_path / ".thumbs" / "a.png", tmp_path / ".b.png", tmp_path / "c.png")
    touch(
        tmp_path / "README.md",
        tmp_path / "7_cat.dvc",
        tmp_path / "Thumbs.db",
        tmp_path / "__MACOSX" / "d.png",
    )
    touch(tmp_path / "film.mp4", tmp_path / "e.mp3", tmp_path / "info.json", tmp_path / "set.zip")
    findings = read(tmp_path)
    assert [item.path.name for item in findings.pictures] == ["c.png"]
    assert findings.problems == []
    told = [(fault.check, Path(fault.where).name) for fault in findings.faults]
    assert told == [("unknown_file", name) for name in ("e.mp3", "film.mp4", "info.json", "set.zip")]


def test_links_into_dvcs_cache_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / ".dvc/cache/files/md5/ab/cdef", tmp_path / "pictures" / "b.png")
    (tmp_path / "pictures/a.png").symlink_to(tmp_path / ".dvc/cache/files/md5/ab/cdef")
    findings = read(tmp_path / "pictures")
    assert findings.problems == []
    assert [item.path.name for item in findings.pictures] == ["a.png", "b.png"]


def test_a_caption_without_a_picture_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.txt", tmp_path / "c.caption")
    problems = read(tmp_path).problems
    assert [problem.split(":")[0].rpartition("/")[2] for problem in problems] == ["b.txt", "c.caption"]


@pytest.mark.parametrize(
    ("name", "text", "caption"),
    [
        ("a.txt", "\ufeffa  cat,\nsmile\n", "a cat, smile"),
        ("a.txt", "", ""),
        ("a.png.txt", "x", "x"),
        ("a.caption", "x", "x"),
        ("a.json", '{"tag_string": "1girl long_hair"}', "1girl, long_hair"),
        ("a.png.json", '{"tags": ["1girl", "long_hair"]}', "1girl, long_hair"),
        (".a_meta.json", '{"tags": {"1girl": 0.9, "solo": 0.8}}', "1girl, solo"),
        ("a.json", '{"id": 4}', None),
    ],
)
def test_captions_come_along(tmp_path: Path, name: str, text: str, caption: str | None) -> None:
    touch(tmp_path / "a.png")
    touch(tmp_path / name, text=text)
    findings = read(tmp_path)
    assert findings.problems == []
    assert findings.faults == []
    (found,) = findings.pictures
    assert found.caption == caption


def test_a_text_goes_before_a_downloaders_json(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    touch(tmp_path / "a.txt", text="mine")
    touch(tmp_path / "a.json", text='{"tags": "theirs"}')
    (found,) = read(tmp_path).pictures
    assert found.caption == "mine"


def test_accents_may_be_spelt_in_two_ways(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    touch(tmp_path / f"{nfd}.png")
    touch(tmp_path / f"{nfc}.txt", text="x")
    (found,) = read(tmp_path).pictures
    assert (found.id, found.caption) == (f"{tmp_path.name}/{nfc}", "x")


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_a_table_of_captions_is_read(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "train" / "a.png", tmp_path / "train" / "b" / "c.png", tmp_path / "train" / "d.png")
    rows = {
        "metadata.jsonl": '{"file_name": "a.png", "text": "an  a"}\n\n'
        '{"file_name": "b/c.png", "caption": "c"}\n',
        "metadata.csv": 'file_name,text\na.png,"an a"\nb/c.png,c\n',
    }
    touch(tmp_path / "train" / name, text=rows[name])
    findings = read(tmp_path)
    assert (findings.problems, findings.faults) == ([], [])
    assert [item.caption for item in findings.pictures] == ["an a", "c", None]


def test_two_captions_of_one_picture_are_a_problem(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    touch(tmp_path / "a.txt", text="x")
    touch(tmp_path / "metadata.jsonl", text='{"file_name": "a.png", "text": "y"}\n')
    (problem,) = read(tmp_path).problems
    assert "has captions in a.txt and in a metadata table" in problem


def test_a_row_that_no_picture_asks_for_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b.png", tmp_path / "c.mask.png", tmp_path / "c.png")
    names = ("a/b.png", "b.png", "../x.png", "c.mask.png")
    touch(tmp_path / "metadata.jsonl", text="".join(f'{{"file_name": "{name}"}}\n' for name in names))
    told = [
        problem.partition(": no picture ")[2].partition(" in its folder; ")[0]
        for problem in read(tmp_path).problems
    ]
    assert told == ["'../x.png'", "'b.png'", "'c.mask.png'"]


def test_masks_are_found_in_every_folder_and_are_no_pictures(tmp_path: Path) -> None:
    pictures = ["a.png", "7_cat/a.png", "7_cat/b.png", "masks/masks/a.png"]
    masks = {"a.png": "masks/a.png", "7_cat/a.png": "7_cat/masks/a.png", "7_cat/b.png": "7_cat/b.mask.png"}
    touch(*(tmp_path / name for name in [*pictures, *masks.values()]))
    findings = read(tmp_path)
    assert findings.problems == []
    assert {
        str(found.path.relative_to(tmp_path)): str(found.mask.relative_to(tmp_path))
        for found in findings.pictures
        if found.mask
    } == masks
    assert len(findings.pictures) == len(masks)


def test_a_folder_whose_name_no_record_could_tell_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path / "caf\udce9" / "7_cat" / "a.png")
    findings = read(tmp_path)
    assert len(findings.pictures) == 0
    assert findings.problems == [f"{tmp_path.name}/caf\\udce9/7_cat/a.png: its name is not UTF-8; rename it"]


def test_links_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    told = read(tmp_path).problems
    assert [problem.partition(": ")[0] for problem in told] == [
        f"{tmp_path.name}/{name}.png" for name in ("gone", "loop")
    ]
    assert all("a link to a missing file" in problem for problem in told)


def test_suffixes_may_be_written_in_capitals(tmp_path: Path) -> None:
    touch(tmp_path / "a.PNG", tmp_path / "b.jpg", tmp_path / "C.png", tmp_path / "d.JPG", tmp_path / "e.png")
    for name in ("a.TXT", "b.Txt", "c.txt", "d.JPG.TXT", "E.txt"):
        touch(tmp_path / name, text=name)
    touch(tmp_path / "Thumbs.DB", tmp_path / "README.MD")
    findings = read(tmp_path)
    assert {found.id.rpartition("/")[2]: found.caption for found in findings.pictures} == {
        "a": "a.TXT", "b": "b.Txt", "C": "c.txt", "d": "d.JPG.TXT", "e": "E.txt",
    }  # fmt: skip
    assert (findings.problems, findings.faults) == ([], [])


def test_a_caption_to_the_letter_is_no_one_elses(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "A.png")
    touch(tmp_path / "a.txt", text="small")
    findings = read(tmp_path)
    assert [found.caption for found in findings.pictures] == [None, "small"]


def test_pictures_of_kinds_that_are_not_read_are_errors(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "IMG_1.DNG", tmp_path / "b.psd")
    told = [(fault.check, fault.sentence) for fault in read(tmp_path).faults]
    assert [check for check, _ in told] == ["unreadable", "unreadable"]
    assert "(.dng); save it as PNG or JPEG" in told[0][1]
