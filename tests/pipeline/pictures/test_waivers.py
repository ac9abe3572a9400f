from pathlib import Path

import pytest

from pipeline.pictures.found import PictureScan, SourcePicture
from pipeline.pictures.waivers import Waivers, read_waivers
from pipeline.schemas.collect import CHECKS
from tests.conftest import ROOT


def read(tmp_path: Path, text: str) -> tuple[dict[tuple[str, str], str], list[str]]:
    (tmp_path / "waivers.yaml").write_text(text, encoding="utf-8")
    return read_waivers(tmp_path / "waivers.yaml", CHECKS)


def test_no_file_and_the_committed_one_waive_nothing(tmp_path: Path) -> None:
    assert read_waivers(tmp_path / "gone.yaml", CHECKS) == ({}, [])
    assert read_waivers(ROOT / "data/waivers.yaml", CHECKS) == ({}, [])


def test_a_line_names_a_picture_checks_and_reasons(tmp_path: Path) -> None:
    waivers, problems = read(tmp_path, "zib/1: {blur: he runs, dark: at night}\n")
    assert problems == []
    assert waivers == {("zib/1", "blur"): "he runs", ("zib/1", "dark"): "at night"}


def test_every_mistake_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    text = "zib/1: blur\nzib/2: {blurr: x}\nzib/3: {unreadable: x}\nzib/4: {dark: }\n"
    told = "\n".join(read(tmp_path, text)[1])
    assert "zib/1: write `{check: reason}`, found 'blur'" in told
    assert "zib/2: 'blurr' is not a check; did you mean blur?" in told
    assert "zib/3: unreadable cannot be waived" in told
    assert "zib/4: dark needs a reason in words" in told


@pytest.mark.parametrize("text", ["{", "- a\n", "a: [\n"])
def test_a_file_that_is_no_mapping_is_a_sentence(tmp_path: Path, text: str) -> None:
    waivers, problems = read(tmp_path, text)
    assert waivers == {}
    assert len(problems) == 1


def pictures(*ids: str) -> PictureScan:
    found = PictureScan()
    for picture_id in ids:
        found.add(SourcePicture(Path("in/x.png"), picture_id, picture_id, "zib", 1, False, None, {}))
    return found


def test_an_id_goes_before_patterns_and_a_misspelt_one_gets_the_nearest() -> None:
    lines = {("zib/*", "blur"): "all", ("zib/1", "blur"): "one", ("zibb/2", "dark"): "typo"}
    waivers = Waivers(lines, pictures("zib/1", "zib/2", "bob/1"))
    asked = [("zib/1", "blur"), ("zib/2", "blur"), ("zib/2", "dark"), ("bob/1", "blur"), (None, "blur")]
    assert [waivers.reason(*fault) for fault in asked] == ["one", "all", None, None, None]
    assert waivers.unknown() == ["data/waivers.yaml: zibb/2 matches no picture; did you mean zib/2 or zib/1?"]


def test_an_id_with_a_star_names_its_picture_alone() -> None:
    waivers = Waivers({("zib/*", "blur"): "x"}, pictures("zib/*", "zib/1"))
    assert (waivers.reason("zib/*", "blur"), waivers.reason("zib/1", "blur")) == ("x", None)
    assert waivers.unknown() == []


def test_lines_that_no_picture_needs_any_more_are_told() -> None:
    waivers = Waivers({("zib/*", "blur"): "x", ("zib/1", "dark"): "x"}, pictures("zib/1", "zib/2"))
    waivers.reason("zib/2", "blur")
    waivers.reason("zib/2", "dark")
    (sentence,) = waivers.unneeded()
    assert "zib/1: dark is waived, but no such picture" in sentence
