from pathlib import Path

import pytest

from pipeline.captions.templates import fill, names, read_templates
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("template", "filewords", "text"),
    [
        ("a photo of [name], [filewords]", "smile, hat", "a photo of zib, smile, hat"),
        ("a photo of [name], [filewords]", "", "a photo of zib"),
        ("a picture of [filewords], by [name]", "", "a picture by zib"),
        ("[filewords], in the style of [name]", " ", "in the style of zib"),
        ("a photo of [name]", "smile", "a photo of zib"),
        ("[name], [filewords]", "see [name]", "zib, see [name]"),
    ],
)
def test_places_are_filled(template: str, filewords: str, text: str) -> None:
    assert fill(template, "zib", filewords) == text


def test_the_shipped_sets() -> None:
    assert names() == ["style", "style_filewords", "subject", "subject_filewords"]
    for name in names():
        lines = read_templates(name)
        assert len(lines) >= 10
        assert len(set(lines)) == len(lines)
        assert all("[name]" in line for line in lines)
        assert {("[filewords]" in line) for line in lines} == {name.endswith("_filewords")}


def test_a_set_of_ones_own_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("\ufeffa [name]\n\n  the [name], [filewords] \n", encoding="utf-8")
    assert read_templates(str(path)) == ["a [name]", "the [name], [filewords]"]


def test_unknown_sets_and_places_are_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither a text file nor a shipped set; did you mean style"):
        read_templates("stile")
    path = tmp_path / "wrong.txt"
    path.write_text("a [nmae]\nthe [nmae], [filewords]\n")
    with pytest.raises(UserError) as error:
        read_templates(str(path))
    assert len(error.value.problems) == 2
    assert "no line has [name]" in error.value.problems[0]
    assert "[nmae] is not a placeholder; did you mean name?" in error.value.problems[1]
