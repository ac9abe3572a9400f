import subprocess
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.captions.edit_file import EDITS, read_edits
from pipeline.captions.edit_text import write_edits
from pipeline.captions.edits import Edit, EditsOf
from pipeline.errors import UserError
from pipeline.pictures.by_hand import read_entries
from pipeline.pictures.crop_edits import read_crop_edits
from pipeline.pictures.waivers import read_waivers
from tests.conftest import ROOT

FILE = """\
# How this set was mended.

zib/*:          # all of them
  replace: {frown: smile, hat: [cap, 0_0], sky: []}
  remove: [3_3, "* hair"]
zib/2:
  # she looks back here
  add: [yes, null, 1, ">_<", "a, b"]
zib/[3]:
  set: "zib, 你好 \\\\(a\\\\)"
zib/4: {set: ""}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "tag_edits.yaml"
    found.write_text(FILE, encoding="utf-8")
    return found


def test_every_scalar_is_the_text_that_stands_there(path: Path) -> None:
    assert read_edits(path) == [
        Edit(
            "zib/*", remove=("3_3", "* hair"), replace={"frown": ("smile",), "hat": ("cap", "0_0"), "sky": ()}
        ),
        Edit("zib/2", add=("yes", "null", "1", ">_<", "a, b")),
        Edit("zib/[3]", set="zib, 你好 \\(a\\)"),
        Edit("zib/4", set=""),
    ]


def test_the_file_in_git_is_tracked_and_its_example_is_right(tmp_path: Path) -> None:
    committed = ROOT / EDITS
    assert subprocess.run(["git", "check-ignore", "-q", EDITS], cwd=ROOT, check=False).returncode == 1
    lines = committed.read_text(encoding="utf-8").splitlines()
    example = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    assert read_edits_of("\n".join(example), tmp_path) == [
        Edit(
            "zib/portrait-01",
            replace={"frown": ("smile",)},
            remove=("window", "* sky"),
            add=("looking back",),
        ),
        Edit("zib/portrait-02", set="zib, at the window"),
    ]


@pytest.mark.parametrize("text", [None, "", "# only a comment\n", "{}\n"])
def test_no_edits(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "tag_edits.yaml"
    if text is not None:
        path.write_text(text)
    assert read_edits(path) == []


def test_all_that_is_wrong_is_told_at_once(path: Path) -> None:
    path.write_text(
        "a/1: {ad: [x]}\na/2: [x]\na/3: {set: [x], add: [y]}\na/4: {add: []}\na/5: {replace: x}\n"
    )
    with pytest.raises(UserError) as error:
        read_edits(path)
    assert [problem.removeprefix(f"{path}: ") for problem in error.value.problems] == [
        "a/1.ad is not an edit; did you mean add?",
        "a/2 needs one of replace, remove, add, set, captions below it, found ['x']",
        "a/3: `set` is the whole caption; remove the other keys",
        "a/3.set must be one text, found ['x']; put it in quotes",
        "a/4.add must be a list of tags, found []",
        "a/5.replace must be {tag: other}, found 'x'",
    ]


@pytest.mark.parametrize("text", ["a: [", "a/1: {add: [x]}\na/1: {add: [y]}\n"])
def test_unreadable_files_and_double_entries_are_a_sentence(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(UserError, match=r"tag_edits\.yaml is not readable YAML"):
        read_edits(path)


def test_writing_keeps_the_other_entries_and_all_comments(path: Path) -> None:
    write_edits([Edit("zib/2", add=("=_=", "a: b"), remove=("#1",)), Edit("new/1", set=" x\n\ty ")], path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith(FILE.partition("  add:")[0])
    assert read_edits(path) == [
        *read_edits_of(FILE, path.parent)[:1],
        Edit("zib/2", add=("=_=", "a: b"), remove=("#1",)),
        *read_edits_of(FILE, path.parent)[2:],
        Edit("new/1", set=" x\n\ty "),
    ]
    write_edits([Edit("zib/2", set="all")], path)
    assert read_edits(path)[1] == Edit("zib/2", set="all")


def test_writing_leaves_words_that_look_like_numbers_or_truths(tmp_path: Path) -> None:
    path = tmp_path / "tag_edits.yaml"
    text = (
        "a/1:\n  add: [null, ~, 3_3, 0_0, yes, 1.0, 0x1F, '3']  # odd ones\n  replace: {3_3: null, 1: [2]}\n"
    )
    path.write_text(text)
    write_edits([Edit("a/2", add=("3_3", "null", "", "- x", "a: b", "[z", "<<", "=", "#", "'"))], path)
    assert path.read_text().startswith(text)
    assert read_raw(path)["a/2"]["add"] == ["3_3", "null", "", "- x", "a: b", "[z", "<<", "=", "#", "'"]


def read_raw(path: Path) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = YAML(typ="base").load(path.read_text())
    return found


def read_edits_of(text: str, folder: Path) -> list[Edit]:
    (folder / "other.yaml").write_text(text, encoding="utf-8")
    return read_edits(folder / "other.yaml")


@pytest.mark.parametrize("text", ["# Hello.\n{}\n", "# Hello.\n", None])
def test_the_first_entry_leaves_the_heading(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "tag_edits.yaml"
    if text:
        path.write_text(text)
    write_edits([Edit("a/1", add=("x",))], path)
    assert path.read_text() == ("# Hello.\n" if text else "") + "a/1:\n  add: [x]\n"


def test_an_id_means_one_picture_and_a_pattern_those_it_names() -> None:
    one, some = Edit("a/?", add=("x",)), Edit("b/*", add=("y",))
    ids = ["a/?", "a/1", "b/1", "B/1"]
    of_picture = EditsOf([one, some, one], ids)
    assert {picture_id: of_picture(picture_id) for picture_id in ids} == {
        "a/?": [one, one],
        "a/1": [],
        "b/1": [some],
        "B/1": [],
    }


@pytest.mark.parametrize(
    "text",
    [
        "[a, b]: {add: [x]}",
        "x: {[add]: [x]}",
        "x: {replace: {[a, b]: c}}",
        "{a: b}: {add: [x]}",
        "? [a]\n: x",
    ],
)
def test_a_name_that_is_no_text_is_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tag_edits.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a name must be a text|unhashable key"):
        read_edits(path)
    for read in (partial(read_entries, example="a: b"), partial(read_crop_edits, ids=list)):
        with pytest.raises(UserError, match="is not readable YAML"):
            read(path)
    assert read_waivers(path, ["blur"])[1]
