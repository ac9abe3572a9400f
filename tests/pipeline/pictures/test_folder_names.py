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
    assert all("says 0 repeats" in sentence for sentence in said)
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
    ],
)
def test_what_looks_like_repeats_but_is_not_is_doubted(name: str, meant: str) -> None:
    names = FolderNames()
    assert not names.leave_out("pictures", ("pictures", name), name, 3)
    assert f"if repeats are meant, call it {meant!r}" in names.warnings(4)[0]
    assert "shown collect.repeats 4 times" in names.warnings(4)[0]


@pytest.mark.parametrize("name", ["myname", "7_myname", "my cat", "sd15", "2b", "nier2b", "set-2024"])
def test_other_names_are_not(name: str) -> None:
    names = FolderNames()
    names.leave_out("pictures", ("pictures", name), name, 3)
    assert names.warnings(1) == []
