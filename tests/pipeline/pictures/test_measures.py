from pathlib import Path

import pytest
from matplotlib import cbook
from PIL import Image
from skimage import data

from pipeline.pictures import measures
from pipeline.pictures.measures import measure
from pipeline.pictures.reading import PictureError
from pipeline.store.items import Items


def test_measures_are_of_the_whole_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(data.coffee()).resize((1800, 1200)).save(tmp_path / "a.jpg", exif=exif)
    taken = measure(tmp_path / "a.jpg", False, Items("collect"))
    assert (taken.width_px, taken.height_px, taken.format, taken.faces) == (1200, 1800, "JPEG", None)


def test_what_was_measured_is_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(data.coffee()).save(tmp_path / "a.png")
    first = measure(tmp_path / "a.png", False, Items("collect"))
    monkeypatch.setattr(measures, "read", lambda *_: pytest.fail("read again"))
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert measure(tmp_path / "b.png", False, Items("collect")) == first


def test_faces_are_found_where_there_are_some(tmp_path: Path) -> None:
    Image.fromarray(data.coffee()).save(tmp_path / "coffee.png")
    Image.fromarray(data.astronaut()).resize((1024, 1024)).save(tmp_path / "astronaut.png")
    hopper = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    files = [tmp_path / "coffee.png", tmp_path / "astronaut.png", hopper]
    assert [measure(file, True, Items("collect")).faces for file in files] == [0, 1, 1]


def test_a_damaged_file_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    for _ in range(2):
        with pytest.raises(PictureError):
            measure(tmp_path / "a.png", False, Items("collect"))
    assert not any(Items("collect").folder.rglob("*"))
