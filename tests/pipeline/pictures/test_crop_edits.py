from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.pictures.crop_edits import CropEdit, outside, read_crop_edits

IDS = ["zib/a", "zib/b", "dog/a"]


def write(folder: Path, text: str) -> Path:
    path = folder / "crop_edits.yaml"
    path.write_text(text)
    return path


def test_later_edits_replace_what_they_set(tmp_path: Path) -> None:
    path = write(tmp_path, '"zib/*": {mirror: false, focus: [1, 2]}\nzib/b: {focus: [3, 4]}\n')
    edits = read_crop_edits(path, lambda: IDS)
    assert {picture_id: edits.of(picture_id) for picture_id in IDS} == {
        "zib/a": CropEdit(mirror=False, focus=[1, 2]),
        "zib/b": CropEdit(mirror=False, focus=[3, 4]),
        "dog/a": CropEdit(),
    }


def test_no_file_and_an_empty_one_edit_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", write(tmp_path, "# nothing\n{}\n")):
        assert read_crop_edits(path, lambda: IDS).of("zib/a") == CropEdit()


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "zib/c: {focus: [1, 2]}\nzib/a: {focsu: [1, 2]}\nzib/b: {box: [1, -2, 3, 4]}\n")
    with pytest.raises(UserError) as error:
        read_crop_edits(path, lambda: IDS)
    assert len(error.value.problems) == 3
    assert "zib/a: focsu" in error.value.problems[0]
    assert "zib/b: box.1" in error.value.problems[1]
    assert "zib/c matches no picture; did you mean zib/" in error.value.problems[2]


def test_edits_of_pictures_that_are_left_out_wait_and_typos_do_not(tmp_path: Path) -> None:
    path = write(tmp_path, 'zib/c: {focus: [1, 2]}\n"cat/*": {mirror: false}\nzib/b: {focus: [3, 4]}\n')
    edits = read_crop_edits(path, lambda: IDS, ["zib/c", "cat/1"])
    assert [edits.of(name).focus for name in IDS] == [None, [3, 4], None]
    with pytest.raises(UserError, match="zib/c matches no picture"):
        read_crop_edits(path, lambda: IDS, ["cat/1"])


@pytest.mark.parametrize("text", ["- zib/a\n", "zib/a: ["])
def test_a_misshapen_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"crop_edits\.yaml"):
        read_crop_edits(write(tmp_path, text), lambda: IDS)


@pytest.mark.parametrize(
    ("edit", "wrong"),
    [
        (CropEdit(focus=[99, 49]), False),
        (CropEdit(focus=[100, 49]), True),
        (CropEdit(box=[0, 0, 100, 50]), False),
        (CropEdit(box=[1, 0, 100, 50]), True),
        (CropEdit(box=[1, 0, 0, 50]), True),
    ],
)
def test_numbers_outside_the_picture_are_told(edit: CropEdit, wrong: bool) -> None:
    assert (outside(edit, 100, 50) is not None) == wrong
