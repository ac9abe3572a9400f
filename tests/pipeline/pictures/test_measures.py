from pathlib import Path

import pytest
from matplotlib import cbook
from PIL import Image
from skimage import data

from pipeline.pictures import measures
from pipeline.pictures.measures import SlowMeasures, measure
from pipeline.pictures.reading import PictureError
from pipeline.store.items import Items

WITH_FACES = SlowMeasures(faces=("lbp", None, 0.0))


def test_measures_are_of_the_whole_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(data.coffee()).resize((1800, 1200)).save(tmp_path / "a.jpg", exif=exif)
    taken = measure(tmp_path / "a.jpg", SlowMeasures(), Items("collect"))
    assert (taken.width_px, taken.height_px, taken.format, taken.faces) == (1200, 1800, "JPEG", None)


def test_what_was_measured_is_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(data.coffee()).save(tmp_path / "a.png")
    first = measure(tmp_path / "a.png", SlowMeasures(), Items("collect"))
    monkeypatch.setattr(measures, "read", lambda *_: pytest.fail("read again"))
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert measure(tmp_path / "b.png", SlowMeasures(), Items("collect")) == first


def test_faces_are_found_where_there_are_some(tmp_path: Path) -> None:
    Image.fromarray(data.coffee()).save(tmp_path / "coffee.png")
    Image.fromarray(data.astronaut()).resize((1024, 1024)).save(tmp_path / "astronaut.png")
    hopper = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    files = [tmp_path / "coffee.png", tmp_path / "astronaut.png", hopper]
    assert [measure(file, WITH_FACES, Items("collect")).faces for file in files] == [0, 1, 1]


def test_a_damaged_file_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    for _ in range(2):
        with pytest.raises(PictureError):
            measure(tmp_path / "a.png", SlowMeasures(), Items("collect"))
    assert not any(Items("collect").folder.rglob("*"))


def test_damage_is_measured_at_the_pictures_own_size_where_it_is_asked_for(tmp_path: Path) -> None:
    # 2400 px: the reduced copy that the other measures take has no grid of 8 px.
    Image.fromarray(data.coffee()).resize((2400, 1600)).save(tmp_path / "a.jpg", quality=10)
    both = (SlowMeasures(damage_under_px=1601), SlowMeasures())
    asked, plain = (measure(tmp_path / "a.jpg", each, Items("collect")) for each in both)
    assert asked.blockiness is not None
    assert asked.blockiness > 1.5
    assert (plain.blockiness, plain.fine_detail) == (None, None)
    assert measure(tmp_path / "a.jpg", SlowMeasures(damage_under_px=1600), Items("collect")) == plain
    assert measure(tmp_path / "a.jpg", SlowMeasures(damage_under_px=1601), Items("collect")) == asked


def test_bands_are_measured_as_shares(tmp_path: Path) -> None:
    boxed = Image.new("RGB", (600, 800))
    boxed.paste(Image.fromarray(data.coffee()), (0, 200))
    boxed.save(tmp_path / "a.png")
    taken = measure(tmp_path / "a.png", SlowMeasures(), Items("collect"))
    # The work copy's sides are rounded to a pixel of 512.
    assert taken.content == pytest.approx((0, 0.25, 1, 0.5), abs=1 / 512)
    assert taken.border_share == pytest.approx(0.5, abs=2 / 512)
