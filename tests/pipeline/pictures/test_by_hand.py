from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.pictures.by_hand import Names, named, read_entries


@pytest.mark.parametrize(
    ("pattern", "ids", "expected"),
    [
        ("a/[x] 1", ["a/[x] 1", "a/x 1"], ["a/[x] 1"]),
        ("a/[x] ?", ["a/[x] 1", "a/x 1"], ["a/[x] 1"]),
        ("a/[12]", ["a/1"], []),
        ("a/*", ["a/1", "b/1", "a/c/2"], ["a/1", "a/c/2"]),
        ("a/*", ["a/*", "a/1"], ["a/*"]),
    ],
)
def test_only_star_and_question_mark_are_wild(pattern: str, ids: list[str], expected: list[str]) -> None:
    assert named(pattern, ids) == expected
    names = Names([pattern], ids)
    assert [picture_id for picture_id in ids if names.of(picture_id)] == expected
    assert names.unknown == ([] if expected else [pattern])


def test_names_of_a_picture_come_as_they_are_written() -> None:
    names = Names(["a/*", "a/1", "gone", "b/?", "a/?"], iter(["a/1", "b/22"]))
    assert names.of("a/1") == ["a/*", "a/1", "a/?"]
    assert names.unknown == ["gone", "b/?"]


def test_no_file_has_no_entries_and_names_are_text(tmp_path: Path) -> None:
    assert read_entries(tmp_path / "gone.yaml", "a: {b: c}") == {}
    (tmp_path / "file.yaml").write_text("7: {b: c}\n")
    assert read_entries(tmp_path / "file.yaml", "a: {b: c}") == {"7": {"b": "c"}}


@pytest.mark.parametrize("content", [b"{", b"- a\n", b"\xff\xfe"])
def test_what_is_no_mapping_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"file\.yaml"):
        read_entries(tmp_path / "file.yaml", "a: {b: c}")
