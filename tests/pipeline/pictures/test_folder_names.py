from pathlib import Path

import pytest

from pipeline.pictures.folder_names import FolderNames, concept_of, is_left_out
from tests.pipeline.pictures.test_folders import read, touch


@pytest.mark.parametrize(
    ("name", "concept", "repeats"),
    [("07_woman", "woman", 7), ("007_bond", "bond", 7), ("10_a_b", "a_b", 10), ("1234567_x", "1234567_x", 2)],
)
def test_leading_zeros_are_no_part_of_a_number(name: str, concept: str, repeats: int) -> None:
    assert concept_of(["pictures", name], 2) == (concept, repeats, ())


def test_a_folder_of_zero_repeats_is_left_out_and_said(tmp_path: Path) -> None:
    touch(tmp_path / "0_bad/a.png", tmp_path / "0_bad/in/b.png", tmp_path / "00_c/c.png")
    touch(tmp_path / "3_good/d.png")
    touch(tmp_path / "0_bad/a.txt", text="x")
    findings = read(tmp_path)
    assert [found.id for found in findings.pictures] == ["good/d"]
    assert findings.problems == []
    said = findings.names.warnings(1)
    assert [sentence.split(" ")[0].removeprefix(f"{tmp_path.name}/") for sentence in said] == [
        "00_c:", "0_bad:", "0_bad/in:",
    ]  # fmt: skip
    assert all("since a folder has 0 repeats" in sentence for sentence in said)
    assert is_left_out(["x", "0_a", "5_b"])
    assert not is_left_out(["x", "10_a"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("7 myname", "7_myname"),
        ("7-myname", "7_myname"),
        ("7x_myname", "7_myname"),
        ("myname_7", "7_myname"),
        ("myname x7", "7_myname"),
        ("7", "7_name"),
        ("7_", "7_name"),
        ("7.5_woman", "7_woman"),
        ("7,5 woman", "7_woman"),
        ("-7_woman", "7_woman"),
        ("(7) woman", "7_woman"),
        ("[7]woman", "7_woman"),
        ("woman(7)", "7_woman"),
        ("woman (x7)", "7_woman"),
        ("7woman", "7_woman"),
        ("x7_woman", "7_woman"),
        ("7xwoman", "7_woman"),
        ("1000000_x", "1000_x"),
        ("\u0667_woman", "7_woman"),
        ("{7} woman", "7_woman"),
    ],
)
def test_what_looks_like_repeats_but_is_not_is_doubted(name: str, meant: str) -> None:
    names = FolderNames()
    assert not names.leave_out("pictures", ("pictures", name), name, 3)
    assert f"if you mean repeats, name it {meant!r}" in names.warnings(4)[0]
    assert "with collect.repeats 4; " in names.warnings(4)[0]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("2023_06_01", "2023 repeats of the concept '06_01'"),
        ("2023_beach", "2023 repeats of the concept 'beach'"),
        ("1001_woman", "1001 repeats of the concept 'woman'"),
        ("01_06_2023", "1 repeats of the concept '06_2023'"),
    ],
)
def test_a_date_or_a_large_number_read_as_repeats_is_doubted_once_a_folder(name: str, read: str) -> None:
    names = FolderNames()
    for below in ("", "a", "b"):
        parts = tuple(filter(None, ("pictures", name, below)))
        names.leave_out("pictures", parts, "/".join(parts[1:]), 3)
    [sentence] = names.warnings(1)
    assert read in sentence
    assert f"name it '1_{name}'" in sentence
    assert concept_of(["pictures", f"1_{name}"], 2) == (name, 1, ())


def test_a_folder_below_the_concept_is_doubted_too() -> None:
    names = FolderNames()
    for path in ("zib/7 myname", "zib/7 myname/more", "zib/part_2", "5_zib/7 myname"):
        names.leave_out("pictures", ("pictures", *path.split("/")), path, 3)
    [sentence] = names.warnings(1)
    assert "'7 myname' seems to give repeats, but is read as part of the pictures' names" in sentence


NAMES = ["1000_woman", "7_2b", "myname", "4k", "7_myname", "my cat", "sd15", "2b", "nier2b", "set-2024"]


@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_not(name: str) -> None:
    names = FolderNames()
    names.leave_out("pictures", ("pictures", name), name, 3)
    assert names.warnings(1) == []
