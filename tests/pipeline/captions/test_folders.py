from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edit_file import read_edits
from pipeline.captions.edit_text import write_edits
from pipeline.captions.edits import Edit
from pipeline.captions.folders import export_folder, imported_edits, read_caption, read_folder
from pipeline.errors import UserError
from pipeline.pictures.records import PICTURE_FOLDER, Record
from tests.pipeline.captions.filter_tags_config import config, row

GENERAL = {"1girl": 0.9, "mario_(game)": 0.8, ">_<": 0.7, "long_hair": 0.6, "smile": 0.5}
ROWS = [row(f"zib/{n}", GENERAL) for n in range(4)]
SETTINGS = config(trigger="zib", escape=True)
LINES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)
EDITED = st.one_of(
    LINES,
    st.lists(
        st.sampled_from(
            ["zib", "1girl", r"mario \(game\)", ">_<", "long hair", "smile", "0_0", "你好", r"\\o/", ""]
        ),
        max_size=7,
    ).map(", ".join),
)


def record(picture_id: str, is_class: bool = False) -> Record:
    concept, _, _ = picture_id.partition("/")
    return Record(
        id=picture_id, file=f"{picture_id}.png", sha256="", width_px=8, height_px=8, concept=concept,
        repeats=7, is_class=is_class, caption=None, verdict="ok", notes=[], group=picture_id, origin={},
    )  # fmt: skip


@pytest.fixture
def cropped(tmp_path: Path) -> Path:
    for name in ("zib/a.b", "zib/é", "girl/x"):
        path = tmp_path / "cropped" / PICTURE_FOLDER / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return tmp_path / "cropped"


def test_pictures_stand_beside_their_captions_and_class_pictures_in_a_tree_of_their_own(
    cropped: Path, tmp_path: Path
) -> None:
    records = [record("zib/a.b"), record("zib/é"), record("girl/x", is_class=True)]
    texts = {"zib/a.b": r"zib, >_<, \(a\)", "zib/é": "", "girl/x": "你好"}
    target = tmp_path / "kohya"
    export_folder(target, records, cropped, texts)
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*.*")) == [
        "7_zib/a.b.png", "7_zib/a.b.txt", "7_zib/é.png", "7_zib/é.txt",
        "reg/7_girl/x.png", "reg/7_girl/x.txt",
    ]  # fmt: skip
    assert read_folder(target, list(texts)) == texts
    assert read_folder(target / "7_zib", list(texts)) == {key: texts[key] for key in ("zib/a.b", "zib/é")}
    with pytest.raises(UserError, match="is not empty"):
        export_folder(target, records, cropped, texts)


def test_names_are_the_same_in_either_unicode_form(tmp_path: Path) -> None:
    (tmp_path / "1_zib").mkdir()
    (tmp_path / "1_zib" / "e\u0301.txt").write_text("x")
    assert read_folder(tmp_path, ["zib/\u00e9"]) == {"zib/\u00e9": "x"}


def test_a_folder_of_files_goes_by_their_stems(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert read_folder(tmp_path, ["zib/a", "dog/b"]) == {"zib/a": "x"}
    with pytest.raises(UserError, match="must belong to exactly one picture, found zib/a, dog/a"):
        read_folder(tmp_path, ["zib/a", "dog/a"])


def test_what_belongs_to_no_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "7_zib").mkdir()
    for name in ("7_zib/b", "note"):
        (tmp_path / f"{name}.txt").write_text("x")
    with pytest.raises(UserError) as error:
        read_folder(tmp_path, ["zib/a"])
    assert len(error.value.problems) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"has no \.txt files"):
        read_folder(tmp_path / "empty", [])
    with pytest.raises(UserError, match="is not a folder; name one that --export wrote"):
        read_folder(tmp_path / "absent", [])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfa, b\r\n", "a, b"),
        (b"a,b \n\n", "a,b "),
        (b"a\r\nb", "a\nb"),
        (b"", ""),
        ("你好".encode(), "你好"),
    ],
)
def test_what_editors_add_to_a_text_file_is_no_caption(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert read_caption(tmp_path / "a.txt") == text


def test_another_encoding_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8"):
        read_caption(tmp_path / "a.txt")


def test_small_changes_become_tags_and_others_the_whole_text() -> None:
    writer = CaptionWriter(ROWS, SETTINGS)
    texts = {
        "zib/0": r"zib, 1girl, mario \(game\), >_<, long hair, smile",
        "zib/1": r"zib, 1girl, >_<, long hair, smile, 0_0, foo \(bar\)",
        "zib/2": "zib, smile, 1girl",
        "zib/3": "",
    }
    assert imported_edits(texts, writer, []) == [
        Edit("zib/1", add=("0_0", "foo (bar)"), remove=("mario (game)",)),
        Edit("zib/2", set="zib, smile, 1girl"),
        Edit("zib/3", set=""),
    ]


@settings(deadline=None)  # writes files
@given(st.lists(EDITED, min_size=4, max_size=4), st.lists(EDITED, min_size=4, max_size=4))
def test_edited_captions_come_back_to_the_letter_and_again(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str]
) -> None:
    path = tmp_path_factory.mktemp("edits") / "tag_edits.yaml"
    path.write_text("# Mine.\nzib/*: {add: [by hand], remove: [smile]}\n")
    writer = CaptionWriter(ROWS, SETTINGS)
    for texts in (dict(zip(writer.ids(), some, strict=True)) for some in (first, second)):
        write_edits(imported_edits(texts, writer, read_edits(path)), path)
        assert {key: made.text for key, made in writer.captions(read_edits(path))} == texts
    assert path.read_text(encoding="utf-8").startswith("# Mine.\n")


def test_an_entry_that_undoes_the_edit_is_named() -> None:
    edits = [Edit("zib/0", add=("a",)), Edit("zib/*", add=("b",))]
    with pytest.raises(UserError, match=r"the entry 'zib/\*' comes after the picture's own"):
        imported_edits({"zib/0": "zib"}, CaptionWriter(ROWS, SETTINGS), edits)
